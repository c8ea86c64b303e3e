"""Memory that is used again: never while somebody has an array of it, and not more than one array's."""

import copy
import gc
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_caches import compiled_kernels

from npgan import GAN, Adam
from npgan.kernels import memory

compiled = pytest.fixture(autouse=True)(compiled_kernels)
FLOATS = np.dtype(np.float32)


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(memory, "latest", [])


@given(
    st.lists(st.lists(st.integers(0, 9), max_size=3), min_size=1, max_size=5),
    st.sampled_from([np.uint8, np.float32, np.float64]),
)
def test_arrays_begin_at_a_cache_line_whatever_was_there_before(shapes, dtype):
    for shape in shapes:
        x = memory.empty_again(tuple(shape), dtype)
        assert (x.shape, x.dtype) == (tuple(shape), dtype)
        assert x.flags.carray
        assert memory.address_of(x) % memory.CACHE_LINE == 0
        x[...] = 1


def test_the_memory_of_a_deleted_array_is_used_again():
    x = memory.empty_again((1000,), FLOATS)
    address = memory.address_of(x)
    del x
    for size in (1000, 250, 999, 1000):
        assert memory.address_of(memory.empty_again((size,), FLOATS)) == address
    assert memory.empty_again((1001,), FLOATS).size == 1001  # it has no room for this one
    assert [kept.nbytes for kept, _ in memory.latest] == [4 * 1001]


def test_a_small_array_does_not_keep_large_memory():
    memory.empty_again((1001,), FLOATS)
    small = memory.empty_again((250,), FLOATS)
    assert small.base.nbytes == 1000
    assert [kept.nbytes for kept, _ in memory.latest] == [1000]


def test_what_may_be_done_with_an_array():
    """As with an array of np.empty: it may be made read-only and writable again."""
    x = memory.empty_again((100,), FLOATS)
    x.flags.writeable = False
    x.flags.writeable = True
    x[:] = 1


class Described:
    """What gives its array to NumPy by a description alone, as other libraries do."""

    def __init__(self, x):
        self.x = x
        self.__array_interface__ = x.__array_interface__


HOLDERS = {
    "array": lambda x: x,
    "part": lambda x: x[10:20],
    "part of a part": lambda x: x[10:].reshape(-1, 10)[3:].T[1:],
    "other dtype": lambda x: x.view(np.uint8)[5:],
    "subclass": lambda x: x.view(np.recarray)[7:],
    "buffer": lambda x: memoryview(x),
    "of a buffer": lambda x: np.frombuffer(memoryview(x)[8:], FLOATS),
    "iterator": lambda x: x.flat,
    "description": lambda x: np.asarray(Described(x))[2:],
    "DLPack": lambda x: np.from_dlpack(x)[4:],
    "cycle": lambda x: cycle_with(x),
}


def cycle_with(x):
    cycle = [x[:5]]
    cycle.append(cycle)
    return cycle


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
def test_not_while_somebody_has_an_array_of_it(hold):
    x = memory.empty_again((100,), FLOATS)
    address = memory.address_of(x)
    held = hold(x)
    del x
    second = memory.empty_again((100,), FLOATS)
    assert memory.address_of(second) != address
    third = memory.empty_again((100,), FLOATS)
    assert memory.address_of(third) not in (address, memory.address_of(second))
    del held
    gc.collect()


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_have_memory_of_their_own(copied):
    x = memory.empty_again((100,), FLOATS)
    x[:] = np.arange(100)
    y = copied(x)
    del x
    memory.empty_again((100,), FLOATS)[:] = -1
    np.testing.assert_array_equal(y, np.arange(100))


class Kept:
    """An object of a cycle that is kept by its finaliser, while it is being deleted."""

    def __init__(self, x, keepers):
        self.x, self.me, self.keepers = x[3:], self, keepers

    def __del__(self):
        self.keepers.append(self)


def test_an_array_that_a_finaliser_has_kept():
    x = memory.empty_again((100,), FLOATS)
    x[:] = 7
    keepers = []
    Kept(x, keepers)
    del x
    gc.collect()
    memory.empty_again((100,), FLOATS)[:] = -1
    (kept,) = keepers
    assert (kept.x == 7).all()
    kept.me = None


def test_threads_do_not_get_the_same_memory():
    start, wrong = threading.Barrier(4), []

    def work(number):
        start.wait()
        for i in range(2000):
            x = memory.empty_again((20 + i % 7,), FLOATS)
            x[:] = number
            y = x + 1  # meanwhile, other threads run
            if not (x == number).all() or not (y == number + 1).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(memory.latest) <= 1


def test_a_thread_that_comes_in_the_middle_gets_other_memory(monkeypatch):
    frombuffer, others = np.frombuffer, []

    def slow(*arguments):
        if not others:
            others.append(None)
            others[0] = memory.empty_again((100,), FLOATS)
        return frombuffer(*arguments)

    memory.empty_again((100,), FLOATS)
    monkeypatch.setattr(np, "frombuffer", slow)
    x = memory.empty_again((100,), FLOATS)
    assert memory.address_of(x) != memory.address_of(others[0])


def test_the_gradients_of_a_training_step_have_one_memory(monkeypatch):
    gan = GAN(latent=8, hidden=(40, 40), hidden_D=(30,), batch=8, penalty_every=3)
    gan.start((12, 12))
    gan.schedule_for(None)
    addresses, update = [], Adam._update

    def noted(self, gradient):
        addresses.append(memory.address_of(gradient))
        return update(self, gradient)

    monkeypatch.setattr(Adam, "_update", noted)
    real = np.zeros((8, 144), np.float32)
    for _ in range(7):
        gan.step(real)
    # The first of the smaller network has no room for that of the larger one.
    assert len(addresses) == 14
    assert len(set(addresses[1:])) == 1
