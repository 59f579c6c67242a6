#pragma once
// A TCP proxy on 127.0.0.1 that breaks what passes through it, where a test says so. One thread of its own.
// Thread safety: all of it.

#include <cstddef>
#include <memory>
#include <string>

namespace memoir::test {

class TcpProxy {
  public:
    // `host` is an IPv4 address, or an absolute path: a unix socket (then `port` is not looked at).
    TcpProxy(const std::string& host, int port);
    ~TcpProxy();
    TcpProxy(const TcpProxy&) = delete;
    TcpProxy& operator=(const TcpProxy&) = delete;

    int port() const;

    // Half-open: connections stay, new ones are accepted, bytes are taken (as far as the kernel buffers
    // them), nothing arrives. Switched off, what was held goes on to where it was sent, as after a partition
    // that heals; cut_all() before that loses it.
    void swallow(bool on);
    // The next `count` requests (-1: all until 0 is said) arrive and are answered, but the answer is lost and
    // the client's connection closed. A request is what a client sends after this call; with `needle` only
    // one whose bytes contain it. An answer ends with PostgreSQL's ReadyForQuery, or 50 ms after its last
    // byte.
    void drop_replies(int count, const std::string& needle = {});
    std::size_t dropped() const;  // answers lost so far
    // The same, but closed before the request arrives.
    void drop_requests(int count, const std::string& needle = {});
    void cut_all();        // resets every connection
    void refuse(bool on);  // connections are refused; open ones stay

    std::size_t accepted() const;  // connections so far
    std::size_t open() const;      // now

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace memoir::test
