"""Keys and values, on the mock server and on a real DVID."""

from __future__ import annotations

import io
import itertools
import pickle
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from conformance_stores import DvidBackend

import pyvolume
from pyvolume.dvid import keyvalue
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.keyvalue.mapping import KeyValue
from pyvolume.dvid.repo import Repo
from pyvolume.errors import (
    ExistsError,
    KeyNotFoundError,
    LockedError,
    MetadataError,
    NotFoundError,
    StoreError,
    UnsupportedError,
)

_numbers = itertools.count()

ODD_KEYS = [
    "ünïcode", "日本", "😀", "e\u0301", "é", "a b", " lead", "trail ", "a+b", "100%", "a%2Fb", "%", "?x", "#x", "a;b",
    "a:b", "~", "a&b=c", "a\nb", "\x01", "\x7f", "*", "\\", '"q"', "'", "...", "..x", "-", "a,b", "<b>", "k" * 5000,
]  # fmt: skip

IN_ITSELF: list[Any] = []
IN_ITSELF.append(IN_ITSELF)
NO_KEYS = ["", ".", "..", "a/b", "/", "a\x00b", "\ud800", "k" * 60_001]


@pytest.fixture
def repo(dvid: DvidBackend) -> Repo:
    return pyvolume.dvid.Server(dvid.connection).create_repo(f"keys-{next(_numbers)}")


@pytest.fixture
def kv(repo: Repo) -> KeyValue:
    return repo.create_keyvalue("notes")


class TestMapping:
    def test_a_new_one_is_empty(self, kv: KeyValue) -> None:
        assert (len(kv), list(kv), kv.get("a"), "a" in kv) == (0, [], None, False)

    def test_values_come_back(self, kv: KeyValue) -> None:
        kv["a"] = b"hello"
        assert (kv["a"], "a" in kv, len(kv)) == (b"hello", True, 1)

    def test_values_are_replaced(self, kv: KeyValue) -> None:
        kv["a"] = b"hello"
        kv["a"] = b"x"
        assert kv["a"] == b"x"

    def test_it_is_a_mapping_like_any_other(self, kv: KeyValue) -> None:
        kv.update({"b": b"2"}, a=b"1")
        assert dict(kv) == kv == {"a": b"1", "b": b"2"}
        assert (kv.pop("a"), kv.pop("a", None), kv.setdefault("c", b"3"), list(kv)) == (b"1", None, b"3", ["b", "c"])

    def test_keys_are_sorted(self, kv: KeyValue) -> None:
        kv.put_many(dict.fromkeys(ODD_KEYS, b"x"))
        assert list(kv) == sorted(ODD_KEYS)

    @pytest.mark.parametrize("key", ODD_KEYS, ids=ascii)
    def test_odd_keys(self, kv: KeyValue, key: str) -> None:
        kv[key] = key.encode()
        kv["other"] = b"other"
        assert (kv[key], key in kv, kv.get_many([key]), len(kv)) == (key.encode(), True, {key: key.encode()}, 2)
        del kv[key]
        assert list(kv) == ["other"]

    @pytest.mark.parametrize("key", NO_KEYS, ids=lambda key: ascii(key[:5]))
    def test_what_cannot_be_a_key(self, kv: KeyValue, key: str) -> None:
        attempts: list[Any] = [
            lambda: kv[key], lambda: kv.__setitem__(key, b""), lambda: kv.read(key), lambda: kv.get_many(["a", key]),
            lambda: kv.put_many({"a": b"", key: b""}), lambda: kv.open(key),
        ]  # fmt: skip
        with pyvolume.trace() as trace:
            for attempt in attempts:
                with pytest.raises(MetadataError, match="without slash"):
                    attempt()
            assert key not in kv
        assert trace.requests == 0

    def test_what_is_no_text(self, kv: KeyValue) -> None:
        with pytest.raises(TypeError, match="a key is text, not 3"):
            kv[3] = b""  # type: ignore[index]
        assert cast("Any", 3) not in kv

    def test_a_missing_key_is_a_key_error(self, kv: KeyValue) -> None:
        attempts: list[Any] = [
            lambda: kv["a"], lambda: kv.__delitem__("a"), lambda: kv.read("a", 2, 3), lambda: kv.read("a", 2, 2),
            lambda: kv.pop("a"), lambda: kv.open("a"), lambda: kv.read_into("a", io.BytesIO()),
        ]  # fmt: skip
        for attempt in attempts:
            with pytest.raises(KeyNotFoundError, match="'a' of notes: there is no such key") as caught:
                attempt()
            assert isinstance(caught.value, KeyError)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)

    def test_repr_makes_no_request(self, kv: KeyValue) -> None:
        with pyvolume.trace() as trace:
            assert repr(kv) == f"<KeyValue 'notes' of version {kv.uuid[:8]}, {kv.connection.url}>"
        assert trace.requests == 0

    def test_looking_for_a_key_fetches_no_value(self, kv: KeyValue) -> None:
        kv["a"] = bytes(100_000)
        with pyvolume.trace() as trace:
            assert "a" in kv
        assert (trace.requests, trace.bytes_fetched) == (1, 0)

    def test_clear(self, kv: KeyValue) -> None:
        kv.update({"a": b"1", "b": b""}, c=b"3")
        kv.clear()
        assert list(kv) == []

    def test_it_pickles(self, kv: KeyValue) -> None:
        kv["a"] = b"1"
        assert pickle.loads(pickle.dumps(kv))["a"] == b"1"


class TestEmptyValue:
    @pytest.fixture
    def empty(self, kv: KeyValue) -> KeyValue:
        kv["e"] = b""
        return kv

    def test_it_is_there(self, empty: KeyValue) -> None:
        assert (empty["e"], "e" in empty, list(empty), dict(empty)) == (b"", True, ["e"], {"e": b""})

    def test_it_is_read_in_part(self, empty: KeyValue) -> None:
        assert (empty.read("e"), empty.read("e", 3), empty.read("e", 0, 4), empty.open("e").read()) == (b"",) * 4

    def test_it_goes_into_a_file(self, empty: KeyValue) -> None:
        file = io.BytesIO(b"before")
        assert (empty.read_into("e", file), file.getvalue()) == (0, b"before")

    def test_it_is_told_from_none(self, empty: KeyValue) -> None:
        assert empty.get_many(["e", "none"]) == {"e": b""}

    def test_many_of_them(self, kv: KeyValue) -> None:
        kv.put_many({"a": b"", "b": b"x"})
        assert kv.get_many(kv) == {"a": b"", "b": b"x"}

    def test_it_is_deleted(self, empty: KeyValue) -> None:
        del empty["e"]
        assert "e" not in empty


class TestMany:
    def test_a_few_requests(self, kv: KeyValue) -> None:
        values = {f"key {i}": b"%d" % i for i in range(1200)}
        with pyvolume.trace() as trace:
            kv.put_many(values)
            assert kv.get_many(values) == values
        assert trace.requests == 6

    def test_in_the_order_asked_for(self, kv: KeyValue) -> None:
        kv.put_many({"a": b"1", "b": b"2"})
        assert list(kv.get_many(["b", "none", "a", "b"]).items()) == [("b", b"2"), ("a", b"1")]

    def test_large_values(self, kv: KeyValue) -> None:
        values = {"a": bytes(5 << 20), "b": b"small", "c": bytes(range(256)) * 10_000, "d": bytes(2 << 20)}
        kv.put_many(values)
        assert kv.get_many(values) == values

    def test_nothing_at_all(self, kv: KeyValue) -> None:
        kv.put_many({})
        assert kv.get_many([]) == {}

    @pytest.mark.parametrize(
        ("start", "stop", "expected"),
        [("a", "c", "ab"), ("b", "b", ""), ("c", "a", ""), ("aa", "zz", "bc"),
         ("", "b", "a"), ("b", "\U0010ffff", "bcé"),
         ("a/", "c", "b"), ("\x00", "b/", "ab")],
    )  # fmt: skip
    def test_a_range(self, kv: KeyValue, start: str, stop: str, expected: str) -> None:
        kv.put_many(dict.fromkeys("aébc", b"x"))
        assert kv.range(start, stop) == list(expected)


class TestLargeValues:
    data = np.random.default_rng(0).integers(0, 256, 3_000_000, "uint8").tobytes()

    @pytest.fixture
    def large(self, kv: KeyValue) -> KeyValue:
        kv["large"] = self.data
        return kv

    def test_as_a_whole(self, large: KeyValue) -> None:
        assert large["large"] == self.data

    @pytest.mark.parametrize(
        ("start", "stop"), [(0, 5), (1_000_000, 2_000_001), (2_999_990, None), (7, 7), (9, 3), (3_000_000, None),
                            (5_000_000, 6_000_000), (2_999_999, 9_000_000), (0, None)]
    )  # fmt: skip
    def test_a_part(self, large: KeyValue, start: int, stop: int | None) -> None:
        assert large.read("large", start, stop) == self.data[start:stop]

    def test_a_part_costs_no_more(self, large: KeyValue) -> None:
        with pyvolume.trace() as trace:
            large.read("large", 1_000_000, 1_000_100)
        assert (trace.requests, trace.bytes_fetched) == (1, 100)

    def test_bytes_are_counted_from_zero(self, large: KeyValue) -> None:
        with pytest.raises(ValueError, match="counted from 0"):
            large.read("large", -3)

    def test_into_a_file_and_from_one(self, large: KeyValue, tmp_path: Path) -> None:
        with (tmp_path / "value").open("w+b") as file:
            file.write(b"head")
            assert large.read_into("large", file) == len(self.data)
            file.seek(4)
            large.write_from("copy", file)
        assert large["copy"] == self.data

    def test_a_file_that_cannot_seek(self, large: KeyValue) -> None:
        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

        for attempt in (large.read_into, large.write_from):
            with pytest.raises(UnsupportedError, match="expected a file that can seek"):
                attempt("large", Pipe(b"x"))

    def test_open_reads_what_is_needed(self, large: KeyValue) -> None:
        with large.open("large") as file, pyvolume.trace() as trace:
            assert file.seek(-10, io.SEEK_END) == len(self.data) - 10
            assert file.read(100) == self.data[-10:]
            assert file.read() == b""
            file.seek(500)
            assert file.read(10) == self.data[500:510]
        assert trace.bytes_fetched <= (1 << 20) + 10

    def test_open_reads_everything(self, large: KeyValue) -> None:
        with large.open("large") as file:
            assert file.read() == self.data
        with large.open("large") as file:
            assert b"".join(iter(lambda: file.read(700_000), b"")) == self.data

    @pytest.mark.parametrize("value", [b"short" * 500_000, b"x", b""], ids=["shorter", "one byte", "empty"])
    def test_a_value_that_changes_while_it_is_read(self, large: KeyValue, value: bytes) -> None:
        with large.open("large") as file:
            file.read(10)
            large["large"] = value
            with pytest.raises(StoreError, match="has changed while it was read"):
                file.read()

    @pytest.mark.parametrize("dtype", ["uint8", "<f4"])
    def test_an_array_is_bytes(self, kv: KeyValue, dtype: str) -> None:
        array = np.arange(24, dtype=dtype).reshape(4, 6)
        kv["array"] = array.data
        assert kv["array"] == array.tobytes()

    @pytest.mark.parametrize(
        "value", ["text", 3, None, np.zeros((4, 4))[:, ::2]], ids=lambda value: type(value).__name__
    )
    def test_what_is_not_bytes(self, kv: KeyValue, value: Any) -> None:
        attempts: list[Any] = [lambda: kv.__setitem__("a", value), lambda: kv.put_many({"b": b"", "a": value})]
        for attempt in attempts:
            with pytest.raises(TypeError, match="a value is bytes"):
                attempt()
        assert list(kv) == []


class TestJson:
    @pytest.mark.parametrize(
        "value", [None, True, 3, -0.5, "text", "ü\n\u2028", [], {}, {"a": [1, {"b": None}]}, 2**63, 1e300], ids=repr
    )
    def test_values_come_back(self, kv: KeyValue, value: Any) -> None:
        kv.json["a"] = value
        assert kv.json["a"] == value
        assert type(kv.json["a"]) is type(value)

    def test_it_is_a_mapping_like_any_other(self, kv: KeyValue) -> None:
        kv.json.update({"b": [2], "a": 1})
        assert (dict(kv.json), kv.json.pop("b"), "b" in kv.json, len(kv.json)) == ({"a": 1, "b": [2]}, [2], False, 1)
        assert kv["a"] == b"1"
        kv.json.clear()
        assert list(kv) == []

    def test_what_numpy_knows(self, kv: KeyValue) -> None:
        kv.json["a"] = {"n": np.int64(3), "x": np.float32(0.5), "b": np.bool_(True), "m": np.eye(2), "t": (1, 2)}
        assert kv.json["a"] == {"n": 3, "x": 0.5, "b": True, "m": [[1.0, 0.0], [0.0, 1.0]], "t": [1, 2]}

    @pytest.mark.parametrize(
        ("value", "path"),
        [(float("nan"), r"\$"), ({"a": [0, np.inf]}, r"\$\.a\[1\]"), (np.array([np.nan]), r"\$\[0\]"), ({1: 2}, r"\$"),
         ({"a": {None: 2}}, r"\$\.a"), (b"bytes", r"\$"), ([1j], r"\$\[0\]"), ({1, 2}, r"\$"),
         (np.datetime64("2026"), r"\$"), (IN_ITSELF, r"\$")],
    )  # fmt: skip
    def test_what_json_cannot_say(self, kv: KeyValue, value: Any, path: str) -> None:
        with pyvolume.trace() as trace, pytest.raises(MetadataError, match=rf"at {path}$"):
            kv.json.update({"before": 1, "a": value})
        assert trace.requests == 0

    @pytest.mark.parametrize("data", [b"", b"{", b"NaN", b"[1, Infinity]", b"\xff", b"[" * 100_000], ids=range(6))
    def test_what_is_no_json(self, kv: KeyValue, data: bytes) -> None:
        kv["a"] = data
        with pytest.raises(MetadataError, match="read 'a' of notes: expected JSON"):
            kv.json["a"]

    def test_a_missing_key(self, kv: KeyValue) -> None:
        assert kv.json.get("a", "default") == "default"


class TestVersions:
    def test_a_child_inherits_key_by_key(self, repo: Repo, kv: KeyValue) -> None:
        kv.put_many({"a": b"1", "b": b"2"})
        repo.root.commit()
        child = repo.root.new_version().keyvalue("notes")
        child["a"] = b"changed"
        child["c"] = b"new"
        del child["b"]
        assert (dict(child), dict(kv)) == ({"a": b"changed", "c": b"new"}, {"a": b"1", "b": b"2"})

    def test_a_committed_version_is_not_written(self, repo: Repo, kv: KeyValue) -> None:
        kv["a"] = b"1"
        repo.root.commit()
        attempts: list[Any] = [
            lambda: kv.__setitem__("a", b"2"), lambda: kv.__delitem__("a"), lambda: kv.put_many({"a": b"2"}),
            lambda: kv.__setitem__("a", bytes(1 << 20)), kv.clear,
        ]  # fmt: skip
        for attempt in attempts:
            with pytest.raises(LockedError, match="write to a child"):
                attempt()
        assert dict(kv) == {"a": b"1"}

    def test_without_versions(self, repo: Repo) -> None:
        kv = repo.create_keyvalue("shared", versioned=False)
        repo.root.commit()
        child = repo.root.new_version().keyvalue("shared")
        kv["a"] = b"1"
        child["b"] = b"2"
        assert dict(kv) == dict(child) == {"a": b"1", "b": b"2"}


class TestRefused:
    def test_a_name_twice(self, repo: Repo, kv: KeyValue) -> None:
        for attempt in (repo.create_keyvalue, repo.create_roi):
            with pytest.raises(ExistsError, match="has an instance of this name"):
                attempt("notes")

    def test_a_name_that_is_not_there(self, repo: Repo) -> None:
        with pytest.raises(NotFoundError, match="no mapping"):
            repo.root.keyvalue("nothing")

    def test_an_instance_that_is_not_there_is_no_missing_key(self, repo: Repo) -> None:
        kv = KeyValue.of(Instance(repo.connection, repo.root_uuid, "nothing"))
        for attempt in (lambda: kv["a"], lambda: kv.get("a"), lambda: list(kv), lambda: kv.__setitem__("a", b"")):
            with pytest.raises(NotFoundError, match="no such instance") as caught:
                attempt()
            assert not isinstance(caught.value, KeyError)

    def test_an_instance_of_another_type(self, repo: Repo) -> None:
        repo.create_roi("nose")
        with pytest.raises(UnsupportedError, match="expected an instance of type keyvalue and found roi"):
            repo.root.keyvalue("nose")

    def test_a_name_that_could_not_be_reached(self, repo: Repo) -> None:
        with pytest.raises(MetadataError, match="expected a name"):
            repo.create_keyvalue("a/b")

    def test_a_committed_version(self, repo: Repo) -> None:
        repo.root.commit()
        with pytest.raises(LockedError, match="committed"):
            keyvalue.create_new(repo.connection, repo.root_uuid, "notes")


@pytest.mark.parametrize("value", ["text", 3, None, io.StringIO("text")], ids=["text", "number", "none", "text file"])
def test_a_value_under_the_names_of_pydvid_is_bytes_too(repo: Repo, value: Any) -> None:
    where = repo.connection, repo.root_uuid, "greetings"
    keyvalue.create_new(*where)
    with pytest.raises(TypeError, match="write 'english'"):
        keyvalue.put_value(*where, "english", value)
    array = np.arange(3, dtype="uint8")
    keyvalue.put_value(*where, "numbers", array)  # type: ignore[arg-type]
    assert keyvalue.get_value(*where, "numbers") == array.tobytes()
    assert keyvalue.get_keys(*where) == ["numbers"]


@pytest.mark.parametrize("file", ["name.bin", 3, io.StringIO("text")], ids=["name", "number", "text file"])
def test_what_is_no_binary_file(kv: KeyValue, file: Any) -> None:
    kv["a"] = b"x"
    for attempt in (kv.write_from, kv.read_into):
        with pytest.raises(TypeError, match="binary"):
            attempt("a", file)
    assert kv["a"] == b"x"


def test_under_the_names_of_pydvid(repo: Repo) -> None:
    where = repo.connection, repo.root_uuid[:12], "greetings"
    keyvalue.create_new(*where)
    keyvalue.put_value(*where, "english", b"hello")
    keyvalue.put_value(*where, "german", io.BytesIO(b"hallo"))
    assert (keyvalue.get_value(*where, "english"), keyvalue.get_keys(*where)) == (b"hello", ["english", "german"])
    assert keyvalue.get_value_response(*where, "german").read() == b"hallo"
    keyvalue.del_value(*where, "english")
    assert keyvalue.get_keys(*where) == ["german"]
