import pytest
import torch

from recombine.errors import NetworkError
from recombine.keeper import SavingOptions
from recombine.run_data import MissingError
from recombine.trained import autoencoder, trained
from tests.methods import small
from tests.pictures import TWO_PHASES, dataset_of, run_of
from tests.stops import Stop


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("run"), TWO_PHASES)


def test_the_networks_are_those_of_the_end_of_the_run(folder):
    found = trained(dataset_of(folder))
    assert found.when == 'after phase "more", iteration 4'
    assert not found.method.training
    assert (
        found.method.digest()
        == dataset_of(folder).run.folder.joinpath("result.json").read_text().split('"parameters": "')[1][:64]
    )


def test_a_reconstruction_is_what_the_two_networks_make(folder):
    dataset = dataset_of(folder)
    found = trained(dataset)
    encoder, decoder = autoencoder(dataset, found.method)
    assert (encoder.name, decoder.name) == ("encoder", "decoder")
    samples = torch.rand(5, 1, 8, 8)
    with torch.no_grad():
        expected = decoder(encoder(samples)).reshape(5, 1, 8, 8)
    assert torch.equal(found.reconstructed(samples, encoder, decoder), expected)
    features = torch.rand(4, 3)
    with torch.no_grad():
        assert torch.equal(found.decoded(features, encoder, decoder, samples[:1]).flatten(1), decoder(features))


def test_features_are_given_the_shape_that_the_encoder_puts_out(tmp_path):
    encoder = [
        {"type": "Conv2d", "in_channels": 1, "out_channels": 3, "kernel_size": 8},
        {"type": "ReLU"},
    ]
    decoder = [{"type": "ConvTranspose2d", "in_channels": 3, "out_channels": 1, "kernel_size": 8}]
    dataset = dataset_of(run_of(tmp_path, {"/mappings/0/layers": encoder, "/mappings/1/layers": decoder}))
    found = trained(dataset)
    features = torch.rand(4, 3)
    decoded = found.decoded(features, *autoencoder(dataset, found.method), torch.zeros(1, 1, 8, 8))
    with torch.no_grad():
        assert torch.equal(decoded, found.method.mappings["decoder"](features.reshape(4, 3, 1, 1)))


def test_what_a_decoder_cannot_take_is_an_error_of_the_network(folder):
    dataset = dataset_of(folder)
    found = trained(dataset)
    encoder, decoder = autoencoder(dataset, found.method)
    decoder.layers[0] = torch.nn.Linear(9, 64)
    with pytest.raises(NetworkError, match='mapping "decoder"'):
        found.decoded(torch.rand(4, 3), encoder, decoder, torch.zeros(1, 1, 8, 8))


def test_a_stopped_run_says_where_it_stands(tmp_path):
    run = run_of(tmp_path, TWO_PHASES, watchers=[Stop(8)])
    assert trained(dataset_of(run)).when == 'in phase "more", iteration 2'


def test_the_checkpoint_belongs_to_the_last_dataset(tmp_path):
    second = {**small()["datasets"][0], "name": "second", "order": 1}
    run = run_of(tmp_path, {"/datasets/0/order": 0, "/datasets/1": second})
    assert trained(dataset_of(run, "second")).when == 'after phase "training", iteration 2'
    with pytest.raises(MissingError, match='^the last checkpoint has the networks as they were on dataset "second"$'):
        trained(dataset_of(run))


def test_without_checkpoint_there_are_no_networks(tmp_path):
    run = run_of(tmp_path, saving=SavingOptions(0, 0))
    with pytest.raises(MissingError, match=r"^the run has no checkpoint of its networks \(--checkpoint-minutes 0"):
        trained(dataset_of(run))


def test_without_a_decoder_there_is_no_autoencoder(tmp_path):
    strategy = {"type": "centroid_similarity", "use_centroids_during_phases": ["training"]}
    strategy |= {"centroid_initialization_classical_clustering_num_restarts": 1}
    changes = {
        "/cluster_assignment_strategy": strategy,
        "/mappings/1": None,
        "/phases/0/design_patterns": [
            {"pattern": "target_distribution", "target_distribution_recalculation_interval": 1}
        ],
        "/phases/0/optimizers/0/trained_mapping_names": ["encoder"],
    }
    dataset = dataset_of(run_of(tmp_path, changes))
    with pytest.raises(MissingError, match="^no design pattern of the method names an encoder and a decoder$"):
        autoencoder(dataset, trained(dataset).method)
