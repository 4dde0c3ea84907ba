import numpy as np
import pytest
import torch
from torch import nn

from farsighted.core.errors import ModelError
from farsighted.signals.forward import gather_response
from farsighted.signals.gradients import Gradients, PerExampleGradients, build_gradient_maps
from farsighted.signals.logit_pass import head_grad_norm, head_sketch
from farsighted.signals.logits import Head, token_nll
from oracles.signal_autograd import (
    add_lora,
    example_gradients,
    make_batch,
    norm_of,
    sketch_of,
    tiny_llama,
)

SHAPES = [(3, 4), (1, 1), (5, 1), (2, 7)]


def full(**options):
    """A Llama whose every parameter but the head is trainable."""
    model = tiny_llama(**options)
    model.lm_head.requires_grad_(requires_grad=False)
    return model


def train_on(model, capture, shapes=SHAPES, normaliser=None):
    """One forward and backward of a training step, and what was captured."""
    ids, batch = make_batch(shapes)
    ragged = gather_response(model.model(ids).last_hidden_state, batch)
    total = len(ragged.target_R) if normaliser is None else normaliser
    (token_nll(ragged.hidden_RD, Head(model.lm_head.weight), ragged.target_R).sum() / total).backward()
    return capture.collect(len(batch), total / ragged.lengths_B), batch


def test_a_training_step_gives_each_examples_own_gradient_and_the_ordinary_grad():
    model = add_lora(tiny_llama())
    maps = build_gradient_maps(model, np.random.default_rng(0), 4)
    with PerExampleGradients(model, maps) as capture:
        found, batch = train_on(model, capture)
    truth = [example_gradients(model, tokens) for tokens in batch]
    np.testing.assert_allclose(found.norm_B, [norm_of(gradients) for gradients in truth], rtol=1e-6)
    wanted = torch.stack([sketch_of(gradients, maps) for gradients in truth]).float()
    torch.testing.assert_close(found.sketch_BK, wanted, rtol=1e-5, atol=1e-6)
    shares = torch.tensor([length for _, length in SHAPES]) / sum(length for _, length in SHAPES)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            mean = sum(share * gradients[name] for share, gradients in zip(shares.double(), truth, strict=True))
            torch.testing.assert_close(parameter.grad, mean, rtol=1e-5, atol=1e-7)


def test_micro_batches_accumulate_grad_and_are_collected_one_by_one():
    model = add_lora(tiny_llama())
    with PerExampleGradients(model) as capture:
        parts = [train_on(model, capture, [shape], normaliser=13)[0].norm_B for shape in SHAPES]
        accumulated = {name: parameter.grad.clone() for name, parameter in capture.parameters.items()}
    truth = [example_gradients(model, make_batch([shape])[1][0]) for shape in SHAPES]
    np.testing.assert_allclose(torch.cat(parts), [norm_of(gradients) for gradients in truth], rtol=1e-6)
    for name, gradient in accumulated.items():
        wanted = sum(length / 13 * gradients[name] for (_, length), gradients in zip(SHAPES, truth, strict=True))
        torch.testing.assert_close(gradient, wanted)


def test_capturing_changes_neither_loss_gradients_nor_hooks():
    grads = []
    for captured in (False, True):
        model = add_lora(tiny_llama())
        capture = PerExampleGradients(model)
        if captured:
            with capture:
                train_on(model, capture)
        else:
            ids, batch = make_batch(SHAPES)
            ragged = gather_response(model.model(ids).last_hidden_state, batch)
            nll_R = token_nll(ragged.hidden_RD, Head(model.lm_head.weight), ragged.target_R)
            (nll_R.sum() / len(nll_R)).backward()
        assert not any(module._forward_hooks for module in model.modules())
        grads.append([parameter.grad for parameter in capture.parameters.values()])
    torch.testing.assert_close(*grads, rtol=0, atol=0)


def test_a_forward_without_gradients_inside_is_ignored():
    model = add_lora(tiny_llama())
    with PerExampleGradients(model) as capture:
        with torch.no_grad():
            model.model(make_batch(SHAPES)[0])
        assert train_on(model, capture)[0].norm_B.shape == (4,)


def test_hooks_are_gone_and_the_capture_is_clean_after_an_error_inside():
    model = add_lora(tiny_llama())
    capture = PerExampleGradients(model)
    ids, _ = make_batch(SHAPES)
    with pytest.raises(RuntimeError), capture:
        torch.zeros(3) @ model.model(ids).last_hidden_state[0, :0].float()
    assert not any(module._forward_hooks for module in model.modules())
    with capture:
        train_on(model, capture)


def test_an_untied_trained_head_is_joined_with_the_rest():
    model = tiny_llama()
    head = Head(model.lm_head.weight)
    maps = build_gradient_maps(model, np.random.default_rng(0), 4)
    ids, batch = make_batch(SHAPES)
    with PerExampleGradients(model.model, {name[6:]: side for name, side in maps.items()}) as capture:
        ragged = gather_response(model.model(ids).last_hidden_state, batch)
        ragged.mean(token_nll(ragged.hidden_RD, head, ragged.target_R)).sum().backward()
        trunk = capture.collect(4)
    ragged = ragged.detached()
    own = Gradients(
        head_grad_norm(ragged, head.detached()), head_sketch(ragged, head.detached(), maps["lm_head.weight"])
    )
    found = trunk.joined(own)
    truth = [example_gradients(model, tokens) for tokens in batch]
    np.testing.assert_allclose(found.norm_B, [norm_of(gradients) for gradients in truth], rtol=1e-6)
    torch.testing.assert_close(found.sketch_BK, torch.stack([sketch_of(gradients, maps) for gradients in truth]))


def test_joining_what_was_not_wanted_gives_nothing():
    one = Gradients(torch.ones(2), None)
    assert one.joined(Gradients(None, torch.ones(2, 3))).norm_B is None
    assert one.joined(Gradients(None, torch.ones(2, 3))).sketch_BK is None


def test_sketches_keep_inner_products_of_gradients_on_average():
    model = add_lora(tiny_llama())
    _, batch = make_batch(SHAPES[:2])
    one, two = (example_gradients(model, tokens) for tokens in batch)
    generator, products = np.random.default_rng(0), []
    for _ in range(300):
        maps = build_gradient_maps(model, generator, 4)
        products.append(float(sketch_of(one, maps) @ sketch_of(two, maps)))
    truth = float(sum((one[name] * two[name]).sum() for name in one))
    assert abs(np.mean(products) - truth) <= 3 * np.std(products) / np.sqrt(len(products))


class Reuses(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        return self.layer(self.layer(x))


def test_a_reused_module_gets_the_sum_of_its_uses():
    model = Reuses().double()
    x_BT3 = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    maps = build_gradient_maps(model, np.random.default_rng(0), 2)
    with PerExampleGradients(model, maps) as capture:
        model(x_BT3).square().sum().backward()
        found = capture.collect(2)
    for row in range(2):
        loss = model(x_BT3[row : row + 1]).square().sum()
        truth = dict(zip(("layer.weight", "layer.bias"), torch.autograd.grad(loss, model.parameters()), strict=True))
        assert float(found.norm_B[row]) == pytest.approx(norm_of(truth), rel=1e-6)
        torch.testing.assert_close(found.sketch_BK[row], sketch_of(truth, maps).float())


def test_a_forward_that_was_given_up_leaves_nothing_behind():
    model = add_lora(tiny_llama())
    ids, _ = make_batch(SHAPES)
    with PerExampleGradients(model) as capture:
        model.model(ids)
        found, batch = train_on(model, capture)
    np.testing.assert_allclose(found.norm_B, [norm_of(example_gradients(model, tokens)) for tokens in batch], rtol=1e-6)


def test_a_second_backward_through_one_forward_is_refused():
    model = nn.Linear(3, 1)
    with PerExampleGradients(model):
        loss = model(torch.ones(2, 3)).sum()
        loss.backward(retain_graph=True)
        with pytest.raises(ModelError, match="one backward"):
            loss.backward()


def test_collecting_before_the_backward_is_refused():
    model = nn.Linear(3, 1)
    with PerExampleGradients(model) as capture:
        model(torch.ones(2, 3))
        with pytest.raises(ModelError, match="gets no gradient from the loss"):
            capture.collect(2)


def test_a_trainable_module_that_the_forward_leaves_out_is_refused_by_name():
    model = tiny_llama()
    with (
        PerExampleGradients(model) as capture,
        pytest.raises(ModelError, match=r"'lm_head' is not called when the model reads a text\. Leave it out"),
    ):
        train_on(model, capture)


def test_examples_that_are_not_the_leading_axis_are_refused():
    model = nn.Linear(3, 1)
    with PerExampleGradients(model) as capture:
        model(torch.ones(8, 3)).sum().backward()
        with pytest.raises(ModelError, match="told apart by its rows"):
            capture.collect(2)


class Positional(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(5, 3), nn.Embedding(4, 3)

    def forward(self, ids):
        return self.words(ids) + self.places(torch.arange(ids.shape[1])[None])


def test_a_position_embedding_shared_by_the_batch_is_refused_by_name():
    model = Positional()
    with PerExampleGradients(model), pytest.raises(ModelError, match="'places' of this model computes with 1 rows"):
        model(torch.zeros(2, 4, dtype=torch.long))


def test_dora_is_refused_with_what_to_do():
    model = add_lora(tiny_llama(), use_dora=True)
    with pytest.raises(ModelError, match="use_dora: false"):
        PerExampleGradients(model)


def test_lora_on_an_embedding_is_refused_by_name():
    model = add_lora(tiny_llama(), target_modules=["embed_tokens"])
    with pytest.raises(ModelError, match="lora_embedding_A"):
        PerExampleGradients(model)


def test_the_output_heads_part_of_a_tied_weight_may_not_be_forgotten():
    model = tiny_llama(tie_word_embeddings=True)
    capture = PerExampleGradients(model.model, head=Head(model.lm_head.weight))
    assert capture.tied_to(Head(model.lm_head.weight)) == "embed_tokens.weight"
    with capture, pytest.raises(ModelError, match=r"'embed_tokens.weight' is tied to the output head"):
        train_on(model, capture)
    assert PerExampleGradients(full()).tied_to(Head(full().lm_head.weight)) is None


def test_a_tied_weight_that_both_modules_reach_has_both_parts():
    model = tiny_llama(tie_word_embeddings=True)
    ids, batch = make_batch(SHAPES)
    maps = build_gradient_maps(model, np.random.default_rng(0), 4)
    with PerExampleGradients(model, maps) as capture:
        logits_RV = gather_response(model(ids).logits, batch)
        nll_R = torch.nn.functional.cross_entropy(logits_RV.hidden_RD, logits_RV.target_R, reduction="none")
        logits_RV.mean(nll_R).sum().backward()
        found = capture.collect(len(batch))
    truth = [example_gradients(model, tokens) for tokens in batch]
    np.testing.assert_allclose(found.norm_B, [norm_of(gradients) for gradients in truth], rtol=1e-6)
    wanted = torch.stack([sketch_of(gradients, maps) for gradients in truth]).float()
    torch.testing.assert_close(found.sketch_BK, wanted, rtol=1e-5, atol=1e-6)


def test_a_frozen_model_has_no_gradients_to_capture():
    with pytest.raises(ModelError, match="all are frozen"):
        PerExampleGradients(tiny_llama().requires_grad_(requires_grad=False))


def test_maps_of_another_model_are_refused():
    maps = build_gradient_maps(add_lora(tiny_llama()), np.random.default_rng(0), 4)
    with pytest.raises(ModelError, match="must have a map"):
        PerExampleGradients(full(), maps)


def test_maps_are_the_same_for_the_same_generator():
    model = full()
    pair = [build_gradient_maps(model, np.random.default_rng(5), 4) for _ in range(2)]
    assert pair[0].keys() == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all(torch.equal(pair[0][name].left_OP, pair[1][name].left_OP) for name in pair[0])


def test_dropout_in_training_mode_is_seen_by_the_capture():
    # The gradient of B depends on the input after dropout; with everything dropped A and B get none.
    model = add_lora(tiny_llama(), lora_dropout=0.999999)
    model.train()
    with PerExampleGradients(model) as capture:
        assert train_on(model, capture)[0].norm_B.tolist() == [0, 0, 0, 0]


def test_a_backward_after_the_end_is_none_of_ours():
    model = nn.Linear(3, 1)
    with PerExampleGradients(model):
        loss = model(torch.ones(2, 3)).sum()
    loss.backward()
    assert model.weight.grad.tolist() == [[2, 2, 2]]


def test_an_input_given_by_keyword_is_refused_by_name():
    class Keyword(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 1)

        def forward(self, x):
            return self.layer(input=x)

    model = Keyword()
    with PerExampleGradients(model), pytest.raises(ModelError, match=r"'layer' of this model takes its input by name"):
        model(torch.ones(2, 3))
