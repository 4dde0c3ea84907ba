"""An observer for tests."""


class Notes:
    """Keeps everything it is told, and may do something when a task starts."""

    def __init__(self, at_start=lambda task: None):
        self.said = []
        self.at_start = at_start

    def started(self, task):
        self.said.append(("started", task.name))
        self.at_start(task)

    def progressed(self, task, share):
        self.said.append(("progressed", task.name, share))

    def numbers(self, task, readings):
        self.said += [("number", task.name, reading) for reading in readings]

    def noted(self, sentence):
        self.said.append(("noted", sentence))

    def ended(self, outcome):
        self.said.append(("ended", outcome.task.name))
