#pragma once
// Agents that remember, edit, correct and forget, as writers of the library do. They keep what they wrote:
// the checker compares it with what stands in the end. Thread safety: none; one thread runs all agents in
// turn.

#include <map>
#include <set>
#include <stop_token>
#include <string>

#include "soak/world.hpp"

namespace memoir::soak {

struct Written {
    int version = 1;
    int corrections = 0;
};

class Agents {
  public:
    Agents(World& world) : world_(world), random_(world.seed * 2 + 1) {}
    // Until `stop`.
    void run(const std::stop_token& stop);

    const std::map<std::string, Written>& living() const { return living_; }
    const std::set<std::string>& forgotten() const { return forgotten_; }

  private:
    void remember();
    void edit(const std::string& name);
    void correct(const std::string& name);
    void forget(const std::string& name);
    std::string some_memory();

    World& world_;
    Random random_;
    int next_ = 1;
    std::map<std::string, Written> living_;
    std::set<std::string> forgotten_;  // and their facts
};

}  // namespace memoir::soak
