from recombine.pattern_losses import loss_names, named_patterns

RIVALS = {"pattern": "adversarial_interpolation", "enabled": True, "critic_name": "c", "discriminator_name": None}
ENTROPY = {"pattern": "assignment_entropy", "enabled": True}


def test_patterns_that_stand_twice_are_numbered():
    blocks = [ENTROPY, RIVALS, ENTROPY | {"enabled": False}, ENTROPY]
    assert [name for name, _ in named_patterns(blocks)] == [
        "assignment_entropy",
        "adversarial_interpolation",
        "assignment_entropy_2",
    ]
    assert [block for _, block in named_patterns(blocks)] == [ENTROPY, RIVALS, ENTROPY]


def test_losses_have_the_name_of_their_pattern_unless_there_are_several():
    assert loss_names("assignment_entropy_2", ENTROPY) == {"assignment_entropy": "assignment_entropy_2"}
    assert loss_names("adversarial_interpolation", RIVALS) == {
        "autoencoder": "adversarial_interpolation.autoencoder",
        "critic": "adversarial_interpolation.critic",
    }
