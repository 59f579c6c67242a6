#pragma once
// Breaks what a soak runs on, one thing after another, and mends it: kills, stops and restarts memoirds, cuts
// and stalls their connections, crashes the server, makes it read-only, locks memories, and has the models
// and the index refuse, stall and lie. Every choice is drawn from the seed. Thread safety: one thread.

#include <stop_token>

#include "soak/world.hpp"

namespace memoir::soak {

class Chaos {
  public:
    Chaos(World& world) : world_(world), random_(world.seed * 2) {}
    // Until `stop`; everything is mended when it returns.
    void run(const std::stop_token& stop);

  private:
    void host_dies();
    void host_restarts();
    void host_freezes(const std::stop_token& stop);
    void network_breaks(const std::stop_token& stop);
    void server_crashes(test::Cluster::Stop how);
    void server_is_read_only(const std::stop_token& stop);
    void memories_are_locked(const std::stop_token& stop);
    void model_fails(const std::stop_token& stop);
    void index_fails(const std::stop_token& stop);
    Host& some_host();

    World& world_;
    Random random_;
};

}  // namespace memoir::soak
