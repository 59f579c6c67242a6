#pragma once
// Who holds a claim: "memoird/host:pid:nonce/lane.loop.seq". The nonce is drawn at start and seq counts claim
// statements, so no two claims, anywhere, ever, share one. Thread safety: all of it.

#include <atomic>
#include <cstdint>
#include <string>

namespace memoir::work {

class Identity {
  public:
    Identity(std::string host, std::int64_t pid, std::string nonce)
        : host_(std::move(host)), pid_(pid), nonce_(std::move(nonce)) {}

    const std::string& host() const { return host_; }
    std::int64_t pid() const { return pid_; }
    const std::string& nonce() const { return nonce_; }
    // "memoird/host:pid:nonce/": what all claims of this process begin with.
    std::string process() const {
        return "memoird/" + host_ + ":" + std::to_string(pid_) + ":" + nonce_ + "/";
    }
    // For the next claim statement of a loop.
    std::string next(const std::string& lane, int loop) {
        return process() + lane + "." + std::to_string(loop) + "." + std::to_string(++sequence_);
    }

  private:
    const std::string host_;
    const std::int64_t pid_;
    const std::string nonce_;
    std::atomic<std::uint64_t> sequence_{0};
};

}  // namespace memoir::work
