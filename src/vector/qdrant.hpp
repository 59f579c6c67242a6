#pragma once
// The vector index in Qdrant, over its REST API. Owns the endpoint "qdrant": every call goes through its
// breaker, so what comes out is never ambiguous. All writes wait until they are applied. The collection and
// its payload indexes are created where they are missing: at the start, and again when a call finds them
// gone. Thread safety: all of it. Errors: Failure; StartError from prepare().

#include <atomic>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "endpoint/endpoint.hpp"
#include "http/client.hpp"
#include "telemetry/log.hpp"
#include "vector/index.hpp"
#include "vector/options.hpp"

namespace memoir::vector {

namespace qdrant {
struct PayloadIndex;
class Refusal;
}  // namespace qdrant

class QdrantIndex : public Index {
  public:
    QdrantIndex(Options options, int dimension, http::Client& client, telemetry::Log& log,
                const Clock& clock = Clock::real());

    void prepare(std::stop_token stop) override;
    // One upsert (more where it is over the size limit), then one removal of points under other ids: in that
    // order a reader may see a memory twice for a moment, but never not at all. The effect does nothing.
    pg::Effect write(std::span<const Point> points, std::stop_token stop) override;
    pg::Effect set_category(const std::string& pid, const std::optional<std::string>& category,
                            std::stop_token stop) override;
    void remove(std::span<const std::string> pids, std::stop_token stop) override;
    // A collection that does not exist holds nothing; reading does not create it.
    std::vector<Hit> search(const Query& query, std::stop_token stop) override;
    void each_pid(const std::function<void(std::span<const std::string>)>& page,
                  std::stop_token stop) override;
    Seen look(std::stop_token stop) override;
    endpoint::Endpoint* endpoint() override { return &endpoint_; }

  private:
    // One exchange, outside the endpoint. `path` follows the collection's. Returns the answer's `result`.
    nlohmann::json exchange(const char* method, std::string_view path, std::string body,
                            std::string_view what, std::stop_token stop);
    void write_exchange(const char* method, std::string_view path, std::string body, std::string_view what,
                        std::stop_token stop);
    // Looks at the collection and creates what is missing; true: something was. Throws Misfit, and Failure
    // that never is a job's own.
    bool ensure(std::stop_token stop);
    bool create_missing(std::stop_token stop);
    void create_collection(std::stop_token stop);
    void create_index(const qdrant::PayloadIndex& index, std::stop_token stop);
    // Runs `work`; when the server refuses it, looks whether the collection is at fault, and once again.
    void repaired(endpoint::Nature nature, std::stop_token stop, const std::function<void()>& work);
    void call(endpoint::Nature nature, std::stop_token stop, const std::function<void()>& work);
    void probe(endpoint::Nature nature, std::stop_token stop);
    std::vector<Hit> search_once(const Query& query, std::stop_token stop);
    // Strict mode's limits are learned once, from the refusal that names them; false: it names none.
    bool learn(const qdrant::Refusal& refusal, std::atomic<std::size_t>& most, std::size_t asked,
               const char* of);
    std::vector<std::string> upserts(std::span<const Point> points) const;
    int page_of(int limit) const;

    const Options options_;
    const std::string base_;  // the collection's URL
    const int dimension_;
    http::Client& client_;
    telemetry::Log& log_;
    std::atomic<std::size_t> most_points_ = 0, most_hits_ = 0;  // of one request; 0: no limit is known
    std::atomic<bool> prepared_ =
        false;                     // the collection was seen and fits; written by whoever sees it first
    endpoint::Endpoint endpoint_;  // last: its probe uses all the others
};

}  // namespace memoir::vector
