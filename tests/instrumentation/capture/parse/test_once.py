import threading

from vigilo.capture.parse.once import Once


def test_an_id_is_first_once():
    once = Once()
    assert [once.first(told) for told in ("a", "b", "a", "b")] == [True, True, False, False]


def test_an_answer_without_an_id_is_always_first():
    once = Once()
    assert once.first(None)
    assert once.first(None)


def test_the_oldest_ids_are_forgotten():
    once = Once(keeps=2)
    assert [once.first(told) for told in ("a", "b", "c", "c", "a")] == [True, True, True, False, True]


def test_of_many_threads_one_is_first():
    once, firsts, start = Once(), [], threading.Barrier(8)

    def ask():
        start.wait()
        firsts.append(once.first("a"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(firsts) == [False] * 7 + [True]
