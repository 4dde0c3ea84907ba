def test_an_audit_runs_to_its_end_without_trying_to_reach_the_network(micro):
    assert micro.code == 0, micro.stderr
    assert [line for line in micro.connections if line.startswith("tried")] == []


def test_sockets_were_closed_in_the_command_and_in_each_of_its_workers(micro):
    assert len({line for line in micro.connections if line.startswith("closed")}) >= 3
