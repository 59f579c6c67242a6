"""Qdrant's REST answers, from the engine of qdrant-client's local mode.

Filters, payloads and scores are the engine's own. What it does not have is added here: status shapes, error
answers, payload indexes, strict mode, limits, keys. A call is (method, path, query, headers, body) and its
answer (status, value): a str is plain text, everything else JSON. Thread safety: one call at a time (a lock).
"""

import json
import re
import threading
import uuid

from qdrant_client import QdrantClient, models


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status, text, plain=False):
        super().__init__(text)
        self.status, self.text, self.plain = status, text, plain


INDEX_TYPES = {"keyword", "integer", "float", "bool", "datetime", "uuid", "text", "geo"}


def is_point_id(value):
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return 0 <= value < 2**64
    try:
        uuid.UUID(value)
        return True
    except (ValueError, TypeError, AttributeError):
        return False


def filter_keys(condition):
    """The payload keys that a filter looks at."""
    if isinstance(condition, list):
        for part in condition:
            yield from filter_keys(part)
    elif isinstance(condition, dict):
        if "key" in condition:
            yield condition["key"]
        for clause in ("must", "must_not", "should", "nested", "filter"):
            if clause in condition:
                yield from filter_keys(condition[clause])


class Collection:
    def __init__(self, vectors):
        self.vectors = vectors
        self.schema = {}
        self.by_pid = {}  # pid → ids, to spare the engine a scan of a large collection


class Engine:
    # Below this the engine evaluates every filter itself; above, pids are looked up.
    LARGE = 2000

    def __init__(self):
        self.lock = threading.Lock()
        self.client = QdrantClient(":memory:")
        self.collections = {}
        self.api_key = ""
        self.read_only_key = ""
        self.strict = False
        self.max_body = 32 << 20
        self.max_batch = 0
        self.operations = 0

    # What the control port asks for.

    def reset(self):
        with self.lock:
            for name in list(self.collections):
                self.client.delete_collection(name)
            self.collections.clear()
            self.api_key = self.read_only_key = ""
            self.strict, self.max_body, self.max_batch = False, 32 << 20, 0

    def settings(self, values):
        with self.lock:
            for key, value in values.items():
                if key not in ("api_key", "read_only_key", "strict", "max_body", "max_batch"):
                    raise ValueError(key)
                setattr(self, key, value)

    def points(self, name):
        with self.lock:
            if name not in self.collections:
                return []
            records, _ = self.client.scroll(name, limit=10**9, with_payload=True, with_vectors=True)
            return [{"id": r.id, "payload": r.payload, "vector": [float(x) for x in r.vector]} for r in records]

    # What Qdrant's own port is asked for.

    def answer(self, method, path, query, headers, body):
        with self.lock:
            try:
                return 200, {"result": self.route(method, path, query, headers, body), "status": "ok",
                             "time": 0.001}
            except Refused as refused:
                if refused.plain:
                    return refused.status, refused.text
                return refused.status, {"status": {"error": refused.text}, "time": 0.001}

    def route(self, method, path, query, headers, body):
        self.authorize(method, path, headers)
        if len(body) > self.max_body:
            raise Refused(413, f"JSON payload ({len(body)} bytes) is larger than allowed (limit: {self.max_body}).")
        found = re.fullmatch(r"/collections/([^/]+)(/.*)?", path)
        if not found:
            raise Refused(404, "", plain=True)
        name, rest = found.group(1), found.group(2) or ""
        if method in ("PUT", "POST", "PATCH"):
            try:
                body = json.loads(body)
            except ValueError as error:
                raise Refused(400, f"Format error in JSON body: {error}")
        wait = query.get("wait") == "true"
        if (method, rest) == ("PUT", ""):
            return self.create(name, body)
        if name not in self.collections:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        collection = self.collections[name]
        if (method, rest) == ("GET", ""):
            return self.describe(name, collection)
        if (method, rest) == ("DELETE", ""):
            del self.collections[name]
            return self.client.delete_collection(name)
        operation = {
            ("PUT", "/index"): self.index,
            ("PUT", "/points"): self.upsert,
            ("POST", "/points/delete"): self.delete,
            ("POST", "/points/payload"): self.set_payload,
            ("POST", "/points/payload/delete"): self.delete_payload,
            ("POST", "/points/query"): self.query,
            ("POST", "/points/scroll"): self.scroll,
            ("POST", "/points/count"): self.count,
        }.get((method, rest))
        if operation is None:
            raise Refused(404, "", plain=True)
        result = operation(name, collection, body)
        if result is not None:
            return result
        self.operations += 1
        return {"operation_id": self.operations, "status": "completed" if wait else "acknowledged"}

    def authorize(self, method, path, headers):
        given = headers.get("api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if not self.api_key:
            return
        if not given:
            raise Refused(401, "Must provide an API key or an Authorization bearer token", plain=True)
        if given == self.read_only_key and self.read_only_key:
            if method == "GET" or re.search(r"/points/(query|scroll|count)$", path):
                return
            raise Refused(403, "Global manage access is required", plain=True)
        if given != self.api_key:
            raise Refused(401, "Invalid API key or JWT", plain=True)

    def create(self, name, body):
        if name in self.collections:
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
        vectors = body.get("vectors", {})
        if "size" in vectors:
            config = models.VectorParams.model_validate(vectors)
        else:
            config = {key: models.VectorParams.model_validate(value) for key, value in vectors.items()}
        self.client.create_collection(name, vectors_config=config)
        self.collections[name] = Collection(vectors)
        return True

    def describe(self, name, collection):
        count = self.client.count(name).count
        return {
            "status": "green",
            "optimizer_status": "ok",
            "indexed_vectors_count": 0,
            "points_count": count,
            "segments_count": 1,
            "config": {"params": {"vectors": collection.vectors, "shard_number": 1, "replication_factor": 1,
                                  "write_consistency_factor": 1, "on_disk_payload": True}},
            "payload_schema": {key: dict(value, points=count) for key, value in collection.schema.items()},
        }

    def index(self, name, collection, body):
        schema = body.get("field_schema")
        kind = schema.get("type") if isinstance(schema, dict) else schema
        if kind not in INDEX_TYPES:
            raise Refused(400, "Format error in JSON body: data did not match any variant of untagged enum "
                               "PayloadFieldSchema")
        described = {"data_type": kind}
        if isinstance(schema, dict):
            described["params"] = schema
        collection.schema[body["field_name"]] = described

    def check_filter(self, collection, condition):
        if not self.strict or not condition:
            return
        for key in filter_keys(condition):
            if key not in collection.schema:
                raise Refused(400, f'Bad request: Index required but not found for "{key}" of one of the following '
                                   "types: [keyword]. Help: Create an index for this key or use a different filter.")

    def check_vector(self, collection, vector):
        if not isinstance(vector, list) or not all(isinstance(x, (int, float)) for x in vector):
            raise Refused(400, "Format error in JSON body: data did not match any variant of untagged enum "
                               "VectorStruct")
        size = collection.vectors.get("size")
        if size is None:
            raise Refused(400, "Wrong input: Not existing vector name error: ")
        if len(vector) != size:
            raise Refused(400, f"Wrong input: Vector dimension error: expected dim: {size}, got {len(vector)}")

    def upsert(self, name, collection, body):
        points = body["points"]
        if self.max_batch and len(points) > self.max_batch:
            raise Refused(400, f"Bad request: Upsert limit exceeded. Help: Reduce the number of points below "
                               f"{self.max_batch}.")
        for point in points:
            if not is_point_id(point["id"]):
                raise Refused(400, f"Format error in JSON body: value {point['id']} is not a valid point ID, valid "
                                   "values are either an unsigned integer or a UUID")
            self.check_vector(collection, point["vector"])
        self.client.upsert(name, [models.PointStruct(id=p["id"], vector=p["vector"], payload=p.get("payload") or {})
                                  for p in points])
        for point in points:
            pid = (point.get("payload") or {}).get("pid")
            if isinstance(pid, str):
                collection.by_pid.setdefault(pid, set()).add(str(point["id"]))

    def selected(self, name, collection, body):
        """A selector for the points of a request: by id or by filter."""
        if "points" in body:
            for point in body["points"]:
                if not is_point_id(point):
                    raise Refused(400, f"Format error in JSON body: value {point} is not a valid point ID")
            return body["points"]
        self.check_filter(collection, body["filter"])
        if len(collection.by_pid) > self.LARGE:
            found = self.looked_up(collection, body["filter"])
            if found is not None:
                return found
        return models.FilterSelector(filter=models.Filter.model_validate(body["filter"]))

    @staticmethod
    def looked_up(collection, condition):
        """The ids of a filter of the form {must: [pid], must_not: [has_id]}; None: it has another form."""
        must, must_not = condition.get("must", []), condition.get("must_not", [])
        if set(condition) - {"must", "must_not"} or len(must) != 1 or must[0].get("key") != "pid":
            return None
        if any(set(part) != {"has_id"} for part in must_not):
            return None
        match = must[0].get("match", {})
        pids = match.get("any") or [match.get("value")]
        excluded = {str(i) for part in must_not for i in part["has_id"]}
        return [i for pid in pids for i in collection.by_pid.get(pid, ()) if i not in excluded]

    def delete(self, name, collection, body):
        selector = self.selected(name, collection, body)
        if selector == []:
            return
        self.client.delete(name, selector)
        if isinstance(selector, list):
            gone = {str(i) for i in selector}
            for ids in collection.by_pid.values():
                ids -= gone

    def set_payload(self, name, collection, body):
        selector = self.selected(name, collection, body)
        if selector != []:
            self.client.set_payload(name, payload=body["payload"], points=selector)

    def delete_payload(self, name, collection, body):
        selector = self.selected(name, collection, body)
        if selector != []:
            self.client.delete_payload(name, keys=body["keys"], points=selector)

    def query(self, name, collection, body):
        self.check_filter(collection, body.get("filter"))
        self.check_vector(collection, body["query"])
        if body.get("limit", 10) < 1:
            raise Refused(422, "Validation error in JSON body: [internal.limit: value 0 invalid, must be 1 or larger]")
        found = self.client.query_points(
            name, query=body["query"], limit=body.get("limit", 10), score_threshold=body.get("score_threshold"),
            query_filter=models.Filter.model_validate(body["filter"]) if body.get("filter") else None,
            with_payload=body.get("with_payload", False), with_vectors=body.get("with_vector", False)).points
        return {"points": [{"id": p.id, "version": p.version, "score": float(p.score), **self.shown(p, body)}
                           for p in found]}

    def scroll(self, name, collection, body):
        self.check_filter(collection, body.get("filter"))
        records, offset = self.client.scroll(
            name, limit=body.get("limit", 10), offset=body.get("offset"),
            scroll_filter=models.Filter.model_validate(body["filter"]) if body.get("filter") else None,
            with_payload=body.get("with_payload", True), with_vectors=body.get("with_vector", False))
        return {"points": [{"id": r.id, **self.shown(r, dict({"with_payload": True}, **body))} for r in records],
                "next_page_offset": offset}

    def count(self, name, collection, body):
        return {"count": self.client.count(name).count}

    @staticmethod
    def shown(record, body):
        shown = {}
        if body.get("with_payload"):
            shown["payload"] = record.payload
        if body.get("with_vector"):
            shown["vector"] = [float(x) for x in record.vector]
        return shown
