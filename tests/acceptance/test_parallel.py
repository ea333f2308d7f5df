"""Several clients at once: no lost update, no torn read, no 5xx (SPEC 3, 8)."""

import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from .checks import assert_status
from .client import KIB, MIB, Answer, Client, noise
from .drop import Drop

CLIENTS = 8
LARGE = 24 * MIB


def at_once(base_url: str, act: Callable[[Client, int], Answer]) -> list[Answer]:
    """The same act by several clients that start together."""
    gate = Barrier(CLIENTS)

    def one(number: int) -> Answer:
        client = Client(base_url)
        try:
            gate.wait()
            return act(client, number)
        finally:
            client.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(one, range(CLIENTS)))


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def test_of_guarded_renames_one_wins(drop: Drop, base_url: str) -> None:
    document = drop.file()
    path = f"/files/{document['file_id']}"
    answers = at_once(
        base_url,
        lambda client, number: client.put_json(
            path, {"file_name": f"name {number}"}, {"If-Match": '"1"'}
        ),
    )
    assert statuses(answers) == {200: 1, 412: CLIENTS - 1}
    winner = [answer.json()["file"] for answer in answers if answer.status == 200]
    assert winner == [drop.current(document)]
    assert winner[0]["revision"] == 2


def test_of_guarded_replacements_one_wins(drop: Drop, base_url: str) -> None:
    document = drop.file()
    path = f"/files/{document['file_id']}"
    answers = at_once(
        base_url,
        lambda client, number: client.put(path, b"content %d" % number, {"If-Match": '"1"'}),
    )
    assert statuses(answers) == {200: 1, 412: CLIENTS - 1}
    number = [answer.status for answer in answers].index(200)
    assert drop.content(document) == b"content %d" % number


def test_unguarded_changes_are_all_applied(drop: Drop, base_url: str) -> None:
    document = drop.file()
    path = f"/files/{document['file_id']}"
    contents = [noise(MIB + number, seed=number) for number in range(CLIENTS)]
    answers = at_once(base_url, lambda client, number: client.put(path, contents[number]))
    assert statuses(answers) == {200: CLIENTS}
    revisions = [answer.json()["file"]["revision"] for answer in answers]
    assert sorted(revisions) == list(range(2, CLIENTS + 2))
    now, content = drop.current(document), drop.content(document)
    assert now["sha256"] == hashlib.sha256(content).hexdigest()
    assert now["file_size"] == len(content)
    assert content == contents[revisions.index(CLIENTS + 1)]


def test_renames_and_replacements_do_not_undo_each_other(drop: Drop, base_url: str) -> None:
    document = drop.file()
    path = f"/files/{document['file_id']}"

    def act(client: Client, number: int) -> Answer:
        if number % 2:
            return client.put(path, b"new content")
        return client.put_json(path, {"metadata": {"run": drop.tag, "by": str(number)}})

    answers = at_once(base_url, act)
    assert statuses(answers) == {200: CLIENTS}
    now = drop.current(document)
    assert now["revision"] == CLIENTS + 1
    assert now["metadata"]["by"] in "0246"
    assert drop.content(document) == b"new content"


def test_of_deletions_one_wins(drop: Drop, base_url: str) -> None:
    path = f"/files/{drop.file()['file_id']}"
    answers = at_once(base_url, lambda client, _: client.delete(path))
    assert statuses(answers) == {200: 1, 404: CLIENTS - 1}
    assert drop.leftovers() == []


def test_a_deletion_among_changes_is_final(drop: Drop, base_url: str) -> None:
    path = f"/files/{drop.file()['file_id']}"

    def act(client: Client, number: int) -> Answer:
        return client.delete(path) if number == 0 else client.put(path, noise(MIB))

    answers = at_once(base_url, act)
    assert answers[0].status == 200
    assert set(statuses(answers)) <= {200, 404}
    assert drop.leftovers() == []


def test_uploads_at_once_are_all_there(drop: Drop, base_url: str) -> None:
    def act(client: Client, number: int) -> Answer:
        query = f"?file_name={drop.tag}-{number}"
        return client.post(f"/files/upload{query}", noise(9 * MIB, seed=number))

    answers = [drop.note(answer) for answer in at_once(base_url, act)]
    for number, answer in enumerate(answers):
        assert drop.content(drop.document(answer)) == noise(9 * MIB, seed=number)
    assert len({answer.json()["object_key"] for answer in answers}) == CLIENTS


def test_readers_see_one_content_or_the_other(drop: Drop, base_url: str) -> None:
    old, new = noise(2 * MIB), noise(2 * MIB, seed=2)
    path = f"/files/{drop.file(old)['file_id']}"

    def act(client: Client, number: int) -> Answer:
        return client.put(path, new if number == 0 else old) if number < 2 else client.get(path)

    answers = at_once(base_url, act)
    assert statuses(answers) == {200: CLIENTS}
    for answer in answers[2:]:
        assert answer.body in (old, new)
        digest = base64.b64encode(hashlib.sha256(answer.body).digest()).decode()
        assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"


def test_a_slow_reader_gets_the_old_content_to_the_end(drop: Drop, client: Client) -> None:
    document = drop.file(noise(LARGE))
    path = f"/files/{document['file_id']}"
    with client.wire(receive_buffer=64 * KIB) as wire:
        wire.request("GET", path, {"Connection": "close"})
        assert wire.head().status == 200
        start = wire.read(64 * KIB)
        assert_status(client.put(path, b"new"), 200)
        assert drop.content(document) == b"new"
        assert start + wire.read() == noise(LARGE)


def test_a_slow_reader_gets_a_deleted_file_to_the_end(drop: Drop, client: Client) -> None:
    path = f"/files/{drop.file(noise(LARGE))['file_id']}"
    with client.wire(receive_buffer=64 * KIB) as wire:
        wire.request("GET", path, {"Connection": "close"})
        assert wire.head().status == 200
        start = wire.read(64 * KIB)
        assert_status(client.delete(path), 200)
        assert client.get(path).status == 404
        assert start + wire.read() == noise(LARGE)


def test_a_reader_that_goes_away_harms_nobody(drop: Drop, client: Client) -> None:
    document = drop.file(noise(LARGE))
    for _ in range(5):
        wire = client.wire(receive_buffer=64 * KIB)
        wire.request("GET", f"/files/{document['file_id']}")
        assert wire.head().status == 200
        wire.reset()
    assert drop.content(document) == noise(LARGE)
