#pragma once
// The vector index: where readers look for memories by similarity. Its I/O is done before the settling
// transaction; what has to happen inside it is returned as an effect (empty for Qdrant, the row for the
// postgres backend). Thread safety: all of Index.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "pg/connection.hpp"

namespace memoir::endpoint {
class Endpoint;
}

namespace memoir::vector {

// What stands in a point's payload (docs/contract.md, "Vector index"). Content never does.
struct Point {
    std::string pid, agent_id, org_id, user_id, kind;
    std::int64_t created_at_ms = 0;  // since the epoch, rounded down
    std::optional<std::int64_t> event_at_ms;
    int confidence = 100;
    std::optional<std::string> category;
    std::string metadata = "{}";  // the row's jsonb as text
    std::vector<float> vector;
};

struct Query {
    std::optional<std::string> agent_id, org_id;  // none: any
    std::string user_id;
    std::optional<std::string> kind;  // episodic, semantic; none: both
    std::vector<float> vector;
    int limit = 10;
    std::optional<double> score_above;  // strict: score > this
};

struct Hit {
    std::string pid;
    double score;
};

class Index {
  public:
    virtual ~Index() = default;
    // Creates what is missing; throws StartError for another dimension or a gRPC port, Failure when it is
    // away.
    virtual void prepare(std::stop_token stop) = 0;
    // Upserts; twice is once. Points of these pids under other ids are removed.
    virtual pg::Effect write(std::span<const Point> points, std::stop_token stop) = 0;
    // Sets or clears the category of an indexed memory's point; a point that is not there is no error.
    virtual pg::Effect set_category(const std::string& pid, const std::optional<std::string>& category,
                                    std::stop_token stop) = 0;
    // Deletes the points of these memories; none there is success. Done when it returns.
    virtual void remove(std::span<const std::string> pids, std::stop_token stop) = 0;
    virtual std::vector<Hit> search(const Query& query, std::stop_token stop) = 0;
    // All pids with points, page by page: for reconcile. Calls `page` until all are told.
    virtual void each_pid(const std::function<void(std::span<const std::string>)>& page,
                          std::stop_token stop) = 0;
    // What is there, without changing anything. Throws as prepare() does.
    struct Seen {
        bool there = true;                         // false: prepare() will create it
        std::vector<std::string> missing_indexes;  // payload indexes that prepare() will create
        std::vector<std::string> limits;  // quotas of the server's that end writing: "max_points_count 100"
    };
    virtual Seen look(std::stop_token stop) {
        prepare(std::move(stop));  // which creates nothing where nothing else is said
        return {};
    }
    // Null for the postgres backend.
    virtual endpoint::Endpoint* endpoint() { return nullptr; }
};

}  // namespace memoir::vector
