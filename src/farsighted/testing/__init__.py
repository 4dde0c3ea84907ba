"""A conformance kit for anyone's selector, and a fake learner to run it with."""
