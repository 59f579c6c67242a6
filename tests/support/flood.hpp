#pragma once
// A TCP server on loopback whose answer is longer than a test wants to hold: a beginning, then one piece
// again and again. Whatever is asked, in any protocol. Thread safety: construct and destroy; port() from any
// thread.

#include <memory>
#include <string>

namespace memoir::test {

class Flood {
  public:
    Flood(std::string beginning, std::string piece, std::size_t times);
    ~Flood();
    Flood(const Flood&) = delete;
    Flood& operator=(const Flood&) = delete;
    int port() const;
    std::string url(const std::string& scheme) const {
        return scheme + "://127.0.0.1:" + std::to_string(port());
    }

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace memoir::test
