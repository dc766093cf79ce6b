import threading
import time

from slowq.engine.server.threads import Threads, waited_s


def test_a_call_knows_how_long_it_has_waited_for_its_thread() -> None:
    gate = threading.Event()
    pool = Threads(1)
    pool.submit(gate.wait, 20)
    call = pool.submit(waited_s)
    time.sleep(0.05)
    gate.set()
    assert 0.05 <= call.result(20) < 20
    assert pool.submit(waited_s).result(20) < 20
    assert waited_s() == 0.0
    pool.shutdown()
