#pragma once
// A chat server that speaks the API of one of the three providers and says what a test's handler says. The
// tests' memories carry a name in double brackets ("[[m7]] likes tea"), by which the double knows which one
// it is asked about. Thread safety: all of it; the handler runs on several threads at a time.

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "support/http_double.hpp"

namespace memoir::test {

class ChatDouble {
  public:
    // The answer to a request about `memory`; a canary gets a good one by itself.
    using Says = std::function<HttpReply(const std::string& memory, const HttpRequest& request)>;
    ChatDouble(std::string provider, Says says);
    // Ollama; one fact a memory, "NAME likes tea".
    ChatDouble();

    std::string url() const { return server_.url(); }
    HttpDouble& server() { return server_; }
    void says(Says says);
    // Asked before the handler, and for canaries, too; a reply with another status than 200, or a fault, is
    // sent at once. Empty: all is well.
    void gate(std::function<HttpReply(bool canary)> gate);

    HttpReply reply(const std::string& text) const;
    HttpReply facts(const std::vector<std::string>& contents) const;

    struct Arrival {
        std::chrono::steady_clock::time_point at;
        bool canary;
        std::string memory;
    };
    std::vector<Arrival> arrivals() const;
    std::map<std::string, int> calls() const;  // by memory; canaries are not in it
    int canaries() const;
    // [extraction] for this double.
    std::map<std::string, std::string> settings(const std::string& role = "extraction") const;

  private:
    HttpReply answer(const HttpRequest& request);

    const std::string provider_;
    mutable std::mutex mutex_;
    Says says_;
    std::function<HttpReply(bool)> gate_;
    std::vector<Arrival> arrivals_;
    HttpDouble server_;
};

}  // namespace memoir::test
