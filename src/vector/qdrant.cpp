#include "vector/qdrant.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "vector/point_id.hpp"
#include "vector/qdrant_wire.hpp"
#include "vector/real_array.hpp"

namespace memoir::vector {
namespace {

using endpoint::Nature;
using nlohmann::json;

constexpr std::size_t pids_a_request = 1000;  // of 21 characters: 24 kB
constexpr int pids_a_page = 250;              // strict mode limits pages; its suggested limit is 1000
// Of one memory the library may have written many points; a search asks for more until it has enough
// memories, but a page no larger than this.
constexpr int largest_page = 4096;
constexpr Milliseconds connect_timeout{5'000};
// A page of a hundred thousand hits; no other answer comes near it.
constexpr std::size_t most_response_bytes = 16U << 20;

pg::Effect no_effect() {
    return [](pg::Transaction&) {};
}

}  // namespace

QdrantIndex::QdrantIndex(Options options, int dimension, http::Client& client, telemetry::Log& log,
                         const Clock& clock)
    : options_(std::move(options)),
      base_(qdrant::collection_url(options_.url, options_.collection)),
      dimension_(dimension),
      client_(client),
      log_(log),
      endpoint_(
          {.name = "qdrant", .setting = "vector.url, vector.api_key_file"},
          [this](Nature nature, std::stop_token stop) { probe(nature, stop); }, log, clock) {}

json QdrantIndex::exchange(const char* method, std::string_view path, std::string body, std::string_view what,
                           std::stop_token stop) {
    http::Request request;
    request.method = method;
    request.url = base_ + std::string(path);
    if (!body.empty()) request.headers.emplace_back("Content-Type", "application/json");
    if (!options_.api_key.empty()) {
        request.secret_header = "api-key";
        request.secret_value = options_.api_key;
    }
    request.body = std::move(body);
    request.ca_file = options_.ca_file;
    request.connect_timeout = std::min(connect_timeout, options_.timeout);
    request.timeout = options_.timeout;
    request.max_response_bytes = most_response_bytes;
    try {
        return qdrant::result(client_.send(request, stop), what);
    } catch (const http::TransportFailure& failure) {
        qdrant::throw_transport(failure, what, options_.url, prepared_);
    }
}

void QdrantIndex::write_exchange(const char* method, std::string_view path, std::string body,
                                 std::string_view what, std::stop_token stop) {
    qdrant::require_done(exchange(method, std::string(path) + "?wait=true", std::move(body), what, stop),
                         what);
}

bool QdrantIndex::ensure(std::stop_token stop) {
    try {
        const bool changed = create_missing(stop);
        prepared_ = true;
        return changed;
    } catch (const qdrant::Refusal& refusal) {
        // Not the fault of the job that happened to need it.
        Failure blocked(FailureType::blocked, refusal.reason());
        blocked.hint = "check vector.collection, and what the server's own log says of it";
        throw blocked;
    }
}

bool QdrantIndex::create_missing(std::stop_token stop) {
    json info;
    bool changed = false;
    try {
        info = exchange("GET", "", {}, "reading the collection", stop);
    } catch (const qdrant::Refusal& refusal) {
        if (!refusal.no_collection()) throw;
        create_collection(stop);
        changed = true;
        info = exchange("GET", "", {}, "reading the collection", stop);
    }
    qdrant::check_collection(info, options_.collection, dimension_);
    const auto indexed = info.value("payload_schema", json::object());
    for (const auto& index : qdrant::payload_indexes()) {
        if (indexed.contains(index.key)) continue;  // of whatever type: an operator's choice
        create_index(index, stop);
        changed = true;
    }
    return changed;
}

void QdrantIndex::create_collection(std::stop_token stop) {
    try {
        exchange("PUT", "", qdrant::collection(dimension_), "creating the collection", stop);
    } catch (const Failure& failure) {
        if (failure.type() != FailureType::job) throw;
        return;  // HTTP 409: another host was faster
    }
    std::vector<telemetry::Field> fields{{"collection", options_.collection},
                                         {"dimension", std::int64_t{dimension_}}};
    if (prepared_)
        log_.warning("memoir.vector.collection_created",
                     "the collection was gone and was created again; `memoirctl reconcile` enqueues what has "
                     "lost its vector",
                     std::move(fields));
    else
        log_.info("memoir.vector.collection_created", "created the collection", std::move(fields));
}

void QdrantIndex::create_index(const qdrant::PayloadIndex& index, std::stop_token stop) {
    const auto create = [&](bool plainly) {
        write_exchange("PUT", "/index", qdrant::index_creation(index, plainly), "creating a payload index",
                       stop);
    };
    try {
        create(false);
    } catch (const qdrant::Refusal& refusal) {
        if (!index.tenant || refusal.no_collection()) throw;
        create(true);
    }
    log_.info("memoir.vector.index_created", "created a payload index",
              {{"collection", options_.collection}, {"key", std::string(index.key)}});
}

void QdrantIndex::prepare(std::stop_token stop) {
    prepared_ = false;
    try {
        // Not through the endpoint: a start asks the server itself, even where a probe has just failed.
        ensure(stop);
    } catch (const qdrant::Misfit& misfit) {
        throw StartError(misfit.reason(), misfit.hint);
    } catch (const Failure& failure) {
        try {
            endpoint_.call(Nature::write, stop, [&] { throw failure; });
        } catch (const Failure&) {
            if (!prepared_) throw;  // else the probe has done it meanwhile
        }
    }
}

Index::Seen QdrantIndex::look(std::stop_token stop) {
    Seen seen;
    try {
        const auto info = exchange("GET", "", {}, "reading the collection", stop);
        qdrant::check_collection(info, options_.collection, dimension_);
        const auto indexed = info.value("payload_schema", json::object());
        for (const auto& index : qdrant::payload_indexes())
            if (!indexed.contains(index.key)) seen.missing_indexes.emplace_back(index.key);
        seen.limits = qdrant::quotas(info);
    } catch (const qdrant::Misfit& misfit) {
        throw StartError(misfit.reason(), misfit.hint);
    } catch (const qdrant::Refusal& refusal) {
        if (!refusal.no_collection()) throw;
        seen.there = false;
    }
    return seen;
}

void QdrantIndex::repaired(Nature nature, std::stop_token stop, const std::function<void()>& work) {
    if (!prepared_ && nature == Nature::write) ensure(stop);
    try {
        work();
    } catch (const qdrant::Refusal& refusal) {
        // Whatever its text says: is the collection gone, an index missing, the dimension another one?
        constexpr int too_large = 413;
        if (refusal.status() == too_large || (nature == Nature::read && refusal.no_collection())) throw;
        if (!ensure(stop)) throw;
        work();
    }
}

void QdrantIndex::call(Nature nature, std::stop_token stop, const std::function<void()>& work) {
    endpoint_.call(nature, stop, [&] { repaired(nature, stop, work); });
}

void QdrantIndex::probe(Nature nature, std::stop_token stop) {
    repaired(nature, stop, [&] {
        if (nature == Nature::write) {
            // The point of a pid that cannot exist: pids have 21 characters. A collection may take what
            // removes and refuse what adds (a quota), so both are tried.
            Point point;
            point.pid = "probe";
            point.vector.assign(static_cast<std::size_t>(dimension_), 0);
            point.vector.front() = 1;
            for (const auto& body : qdrant::upserts(std::span(&point, 1)))
                write_exchange("PUT", "/points", body, "probing", stop);
            write_exchange("POST", "/points/delete", qdrant::removal_of_id(point_id("probe")), "probing",
                           stop);
            return;
        }
        Query query;
        query.vector.assign(static_cast<std::size_t>(dimension_), 0);
        query.vector.front() = 1;
        try {
            search_once(query, stop);
        } catch (const qdrant::Refusal& refusal) {
            if (!refusal.no_collection()) throw;
        }
    });
}

bool QdrantIndex::learn(const qdrant::Refusal& refusal, std::atomic<std::size_t>& most, std::size_t asked,
                        const char* of) {
    // Not for ever: what it says has to be less than what was asked for.
    const auto known = most.load();
    if (!refusal.limit || *refusal.limit >= asked || (known != 0 && *refusal.limit >= known)) return false;
    most = *refusal.limit;
    const auto takes = "for at most " + std::to_string(*refusal.limit) + " " + of;
    log_.info("memoir.backend.learned", "qdrant: from now on asked " + takes,
              {{"endpoint", std::string("qdrant")}, {"collection", options_.collection}, {"takes", takes}});
    return true;
}

std::vector<std::string> QdrantIndex::upserts(std::span<const Point> points) const {
    const auto most = most_points_.load();
    if (most == 0) return qdrant::upserts(points);
    std::vector<std::string> bodies;
    for (; !points.empty(); points = points.subspan(std::min(points.size(), most)))
        for (auto& body : qdrant::upserts(points.first(std::min(points.size(), most))))
            bodies.push_back(std::move(body));
    return bodies;
}

pg::Effect QdrantIndex::write(std::span<const Point> points, std::stop_token stop) {
    if (points.empty()) return no_effect();
    for (const auto& point : points) check_vector(point.vector, dimension_);
    auto bodies = upserts(points);
    call(Nature::write, stop, [&] {
        for (std::size_t sent = 0; sent < bodies.size();) {
            try {
                write_exchange("PUT", "/points", bodies[sent], "upserting", stop);
                ++sent;
            } catch (const qdrant::Refusal& refusal) {
                if (!learn(refusal, most_points_, points.size(), "points a request")) throw;
                bodies = upserts(points);  // from the start: a point that is written twice is one
                sent = 0;
            }
        }
        for (auto left = points; !left.empty(); left = left.subspan(std::min(left.size(), pids_a_request)))
            write_exchange("POST", "/points/delete",
                           qdrant::removal_of_others(left.first(std::min(left.size(), pids_a_request))),
                           "removing points under other ids", stop);
    });
    return no_effect();
}

pg::Effect QdrantIndex::set_category(const std::string& pid, const std::optional<std::string>& category,
                                     std::stop_token stop) {
    call(Nature::write, stop, [&] {
        if (category)
            write_exchange("POST", "/points/payload", qdrant::category_set(pid, *category),
                           "setting the category", stop);
        else
            write_exchange("POST", "/points/payload/delete", qdrant::category_removal(pid),
                           "removing the category", stop);
    });
    return no_effect();
}

void QdrantIndex::remove(std::span<const std::string> pids, std::stop_token stop) {
    for (; !pids.empty(); pids = pids.subspan(std::min(pids.size(), pids_a_request))) {
        const auto some = pids.first(std::min(pids.size(), pids_a_request));
        call(Nature::write, stop, [&] {
            write_exchange("POST", "/points/delete", qdrant::removal(some), "removing points", stop);
        });
    }
}

int QdrantIndex::page_of(int limit) const {
    const auto most = most_hits_.load();
    return most == 0 ? limit : static_cast<int>(std::min<std::size_t>(most, static_cast<std::size_t>(limit)));
}

std::vector<Hit> QdrantIndex::search_once(const Query& query, std::stop_token stop) {
    for (int limit = query.limit;; limit = std::min(limit * 2, std::max(largest_page, query.limit))) {
        limit = page_of(limit);
        qdrant::Page page;
        try {
            page = qdrant::hits(
                exchange("POST", "/points/query", qdrant::search(query, limit), "searching", stop));
        } catch (const qdrant::Refusal& refusal) {
            if (!learn(refusal, most_hits_, static_cast<std::size_t>(limit), "hits a request")) throw;
            continue;
        }
        auto hits = qdrant::distinct(std::move(page.hits), query.score_above);
        const auto wanted = static_cast<std::size_t>(query.limit);
        const bool all = page.points < static_cast<std::size_t>(limit) || limit >= page_of(largest_page);
        if (hits.size() < wanted && !all) continue;
        if (hits.size() > wanted) hits.resize(wanted);
        return hits;
    }
}

std::vector<Hit> QdrantIndex::search(const Query& query, std::stop_token stop) {
    check_vector(query.vector, dimension_);
    if (query.limit <= 0) return {};
    std::vector<Hit> hits;
    call(Nature::read, stop, [&] {
        try {
            hits = search_once(query, stop);
        } catch (const qdrant::Refusal& refusal) {
            if (!refusal.no_collection()) throw;
            hits.clear();
        }
    });
    return hits;
}

void QdrantIndex::each_pid(const std::function<void(std::span<const std::string>)>& page,
                           std::stop_token stop) {
    json offset;
    do {
        std::vector<std::string> pids;
        json next;
        call(Nature::read, stop, [&] {
            try {
                const auto result = exchange("POST", "/points/scroll",
                                             qdrant::scroll(offset, page_of(pids_a_page)), "listing", stop);
                pids = qdrant::scrolled(result);
                next = result.value("next_page_offset", json());
            } catch (const qdrant::Refusal& refusal) {
                if (!refusal.no_collection()) throw;
            }
        });
        if (!pids.empty()) page(pids);
        if (next == offset) break;  // the end, or a server that goes round in circles
        offset = std::move(next);
    } while (!offset.is_null());
}

}  // namespace memoir::vector
