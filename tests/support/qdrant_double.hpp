#pragma once
// A Qdrant for tests: its REST API over real HTTP, answered by tests/support/qdrant_double.py with the engine
// of qdrant-client's local mode, in a process of its own (environment: scripts/test-venv, made at the first
// use). It breaks where a test says, and can be away and come back with its state.
// Thread safety: all of it, after construction.

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace memoir::test {

class QdrantDouble {
  public:
    QdrantDouble();  // a server without collections
    ~QdrantDouble();
    QdrantDouble(const QdrantDouble&) = delete;
    QdrantDouble& operator=(const QdrantDouble&) = delete;

    // One a test process, started at the first use, reset at each call: for tests that need no other one
    // (a start takes a second).
    static QdrantDouble& shared();

    std::string url() const;  // "http://127.0.0.1:PORT"
    int port() const;
    void stop();   // refuses connections and drops the open ones; points are kept
    void start();  // serves again, on the same port
    void reset();  // no collections, faults or settings; an empty list of requests

    // What the next requests that match meet. Of several faults the first one that matches counts.
    struct Fault {
        // status (with an error text that echoes the request), garbage, json, cut, reset, close, hang, stall,
        // no_http, wait_timeout, acknowledged, lost (applied, but the answer never comes), slow
        std::string kind;
        std::string path{};  // a regular expression over "PUT /collections/x/points"
        std::string body{};  // a part of the body: a pid, to hit one memory only
        int times = -1;      // so many requests; -1: until heal()
        int status = 500;    // of kind status
        std::map<std::string, std::string> headers{};  // of kind status
        nlohmann::json reply{};                        // of kind json
        double seconds = 0;                            // of kind slow
    };
    void fault(const Fault& fault);
    void heal();  // no more faults; what hangs is cut

    // api_key, read_only_key, strict (a filter without its payload index is refused), max_body, max_batch.
    void settings(const nlohmann::json& values);

    struct Request {
        std::string method, path;
        std::size_t size;  // of the body
    };
    std::vector<Request> requests() const;
    std::size_t requests(const std::string& part) const;  // those whose "METHOD path" contains it

    // All points of a collection as [{"id", "payload", "vector"}], whatever faults there are.
    nlohmann::json points(const std::string& collection = "memoir_memories") const;
    // The payload of the only point with this pid; null where there is none or more than one.
    nlohmann::json payload(const std::string& pid, const std::string& collection = "memoir_memories") const;

    // A request to Qdrant's own port as another program would make it; throws unless the answer is 200.
    nlohmann::json request(const std::string& method, const std::string& path,
                           const nlohmann::json& body = nullptr) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace memoir::test
