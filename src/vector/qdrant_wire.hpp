#pragma once
// What goes to Qdrant's REST API and what its answers mean (wire facts: api.qdrant.tech, versions 1.10 to
// 1.20). Thread safety: pure functions, no I/O. No text of the server is ever kept: it echoes requests.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.hpp"
#include "http/client.hpp"
#include "vector/index.hpp"

namespace memoir::vector::qdrant {

// Qdrant refuses bodies over 32 MiB (service.max_request_size_mb); a little less, for whatever stands
// between.
inline constexpr std::size_t max_body_bytes = 30U << 20;

// A status other than 200 that a look at the collection may explain: it is gone, an index is missing, or its
// dimension is another one.
class Refusal : public Failure {
  public:
    Refusal(Failure failure, int status) : Failure(std::move(failure)), status_(status) {}
    int status() const { return status_; }
    bool no_collection() const { return status_ == 404; }
    // What strict mode allows at most of what there was too much of.
    std::optional<std::size_t> limit;

  private:
    int status_;
};

// What can never work until a human acts, and stops a start: another dimension or distance, no REST port.
class Misfit : public Failure {
  public:
    Misfit(std::string problem, std::string hint_text) : Failure(FailureType::blocked, std::move(problem)) {
        hint = std::move(hint_text);
    }
};

// Bodies of as few upserts as the limit allows. Throws Failure(permanent) when one point alone is over it.
std::vector<std::string> upserts(std::span<const Point> points, std::size_t limit = max_body_bytes);
// Deletes points of these pids that have other ids than ours.
std::string removal_of_others(std::span<const Point> points);
std::string removal(std::span<const std::string> pids);
std::string removal_of_id(const std::string& id);
std::string category_set(const std::string& pid, const std::string& category);
std::string category_removal(const std::string& pid);
std::string search(const Query& query, int limit);
std::string scroll(const nlohmann::json& offset, int limit);
std::string collection(int dimension);
// A payload index: what to ask for, and more plainly for servers that do not know tenants (before 1.11).
struct PayloadIndex {
    const char *key, *type;
    bool tenant = false;
};
std::span<const PayloadIndex> payload_indexes();
std::string index_creation(const PayloadIndex& index, bool plainly);

// The `result` of an answer. `what` is our word for the call, for the failure's reason. Throws Refusal or
// Failure by the failure table: a 200 that is no answer of this API is ambiguous.
nlohmann::json result(const http::Response& response, std::string_view what);
// Throws Failure(ambiguous) unless the result of a waiting write says that it is done.
void require_done(const nlohmann::json& result, std::string_view what);
// `rest_known`: this server has answered before, so a reset is not another protocol's greeting.
[[noreturn]] void throw_transport(const http::TransportFailure& failure, std::string_view what,
                                  const std::string& url, bool rest_known);

// Throws Misfit when the collection (the result of GET /collections/NAME) is not one for such vectors.
void check_collection(const nlohmann::json& info, const std::string& name, int dimension);

// Quotas of its strict mode, where that is on: "max_points_count 100".
std::vector<std::string> quotas(const nlohmann::json& info);

struct Page {
    std::vector<Hit> hits;  // as they come, double pids included; points without a pid are left out
    std::size_t points = 0;
};
Page hits(const nlohmann::json& result);
std::vector<std::string> scrolled(const nlohmann::json& result);
// One hit a pid, the last one's score as readers take it, strictly above the threshold; best first.
std::vector<Hit> distinct(std::vector<Hit> hits, const std::optional<double>& score_above);

// The server's URL and the collection's path, percent-encoded.
std::string collection_url(const std::string& url, const std::string& name);

}  // namespace memoir::vector::qdrant
