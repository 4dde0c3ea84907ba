"""What a Hugging Face causal LM says of a response, in the library's own plain way: one example, no padding."""

import torch


def hf_loss(lm, tokens):
    """The library's own loss with the prompt masked: mean NLL over response tokens."""
    labels = torch.tensor([[-100] * tokens.prompt_length + list(tokens.ids[tokens.prompt_length :])])
    return lm(torch.tensor([tokens.ids]), labels=labels).loss


def hf_batch_loss(lm, batch):
    """Mean over all response tokens of a batch."""
    total = sum(tokens.response_length for tokens in batch)
    return sum(hf_loss(lm, tokens) * tokens.response_length for tokens in batch) / total


def plain_batch_loss(lm, batch):
    """The same from the model's logits, in the model's own precision: the library's loss rounds to float32."""
    terms = [
        -torch.log_softmax(lm(torch.tensor([tokens.ids])).logits[0, position - 1], -1)[tokens.ids[position]]
        for tokens in batch
        for position in range(tokens.prompt_length, len(tokens.ids))
    ]
    return torch.stack(terms).mean()


@torch.no_grad()
def response_log_probabilities(lm, tokens):
    """(L, V) log-probabilities that predict each response token."""
    logits = lm(torch.tensor([tokens.ids])).logits[0].double()
    return torch.log_softmax(logits, -1)[tokens.prompt_length - 1 : -1]


def greedy(lm, prompt_ids, count):
    """So many tokens of the library's own greedy generation."""
    ids = torch.tensor([list(prompt_ids)])
    mask = torch.ones_like(ids)
    # Only end tokens end a generation early: there is none here.
    found = lm.generate(
        ids,
        attention_mask=mask,
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
        use_cache=False,
    )
    return tuple(found[0, ids.shape[1] :].tolist())
