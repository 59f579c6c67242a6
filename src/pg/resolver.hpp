#pragma once
// Host names to addresses, off the caller's thread: getaddrinfo knows no deadline. Owns up to four threads,
// started when needed; a look-up that hangs holds one of them and nobody else. The shared resolver is never
// destroyed: a process must be able to exit while a name server does not answer. Thread safety: all of it.

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace memoir::pg {

class Resolver {
  public:
    struct Answer {
        std::vector<std::string> addresses;  // numeric, in the order to try
        int error = 0;                       // EAI_…
    };
    using Lookup = std::function<Answer(const std::string& host)>;

    explicit Resolver(Lookup lookup);
    ~Resolver();  // joins: waits for look-ups under way
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    static Resolver& shared();  // uses the system's

    // nullopt: no answer before the deadline or the stop.
    std::optional<Answer> resolve(const std::string& host, TimePoint deadline, std::stop_token stop);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace memoir::pg
