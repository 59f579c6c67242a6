#pragma once
// What a soak runs on: a real PostgreSQL, a Qdrant and model servers that are doubles, memoirds that reach
// the database through proxies of their own, and a diary of what was done to them. Thread safety: all of it,
// but Host, which is the chaos driver's.

#include <chrono>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "support/chat_double.hpp"
#include "support/memoird.hpp"
#include "support/qdrant_double.hpp"
#include "support/tcp_proxy.hpp"

namespace memoir::soak {

using Clock = std::chrono::steady_clock;
using Random = std::mt19937_64;

inline int between(Random& random, int least, int most) {
    return std::uniform_int_distribution<int>(least, most)(random);
}

// What the chaos driver did, and from when to when it may have had an effect.
struct Disruption {
    Clock::time_point from, to;
    std::string what;
};
class Diary {
  public:
    // Returns its number, for `ended`.
    std::size_t began(const std::string& what);
    void ended(std::size_t number);
    // Whether one of them overlaps.
    bool disrupted(Clock::time_point from, Clock::time_point to) const;
    std::map<std::string, int> counts() const;

  private:
    mutable std::mutex mutex_;
    std::vector<Disruption> entries_;
};

// Replies that a model was paid for, by the request without its seed.
class Bill {
  public:
    void paid(const std::string& request);
    struct Twice {
        std::string request;
        Clock::time_point first, second;
    };
    std::vector<Twice> twice() const;
    std::size_t calls() const;

  private:
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<Clock::time_point>> calls_;
};

// One memoird and its way to the database.
struct Host {
    std::unique_ptr<test::TcpProxy> proxy;
    std::unique_ptr<test::Memoird> memoird;
};

class World {
  public:
    World(std::uint64_t seed, int hosts);

    void start(Host& host);
    // By a connection of its own: the schema's does not survive a crash of the server. `$schema` as there.
    pg::Result sql(std::string text, const pg::Params& params = {}) const;
    const std::uint64_t seed;
    test::Cluster cluster;
    test::TestSchema schema{test::TestSchema::With::all, cluster};
    test::EmbeddingDouble embedder;
    test::ChatDouble chat;
    test::QdrantDouble qdrant;
    Diary diary;
    Bill bill;
    std::vector<Host> hosts;
    std::vector<int> exits;  // codes of memoirds that were told to stop
    // What the test itself forgot from the index, as the library does: the points of these pids.
    void forget_points(const std::vector<std::string>& pids);
};

// The content of version `version` of memory `name`, and the facts that the model says of it.
std::string content(const std::string& name, int version);
std::vector<std::string> facts(const std::string& name, int version);

}  // namespace memoir::soak
