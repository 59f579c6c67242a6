#pragma once
// A small HTTP server for metrics, health and the status page: GET and HEAD of a handful of paths, any method
// of /healthz and /readyz, one request per connection. Runs on its owner's io_context; handlers are called on
// that thread and must not block.
//
// A client cannot block it: a request must be complete within a deadline and its head within 8 KiB, an answer
// must be read within another deadline, and when all connections are in use a new one replaces the one that
// has been waiting longest without an answer. Errors: construction throws StartError (address in use, not
// permitted); later ones end the connection they belong to. Threads: construct, stop and destroy on the
// io_context's thread, or while it does not run.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "http/listen_address.hpp"

namespace boost::asio {
class io_context;
}

namespace memoir::http {

struct Reply {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body{};
    std::vector<std::pair<std::string, std::string>> headers{};
};

// `query` is what follows the `?`, undecoded.
using Handler = std::function<Reply(const std::string& query)>;
using Routes = std::map<std::string, Handler, std::less<>>;

class Server {
  public:
    struct Limits {
        std::size_t connections = 32;      // a scraper, a few people with a page open, and their probes
        Milliseconds request{5'000};       // from the connection to the end of the request
        Milliseconds response{5'000};      // to read the answer
        std::size_t header_bytes = 8'192;  // more than the headers of browsers need
    };
    Server(boost::asio::io_context& context, const ListenAddress& address, Routes routes)
        : Server(context, address, std::move(routes), Limits{}) {}
    // `names`: names that requests may use for this server, besides those that host_allowed() knows.
    Server(boost::asio::io_context& context, const ListenAddress& address, Routes routes, Limits limits,
           std::vector<std::string> names = {});
    ~Server();

    // Where it listens, with the actual port for port 0.
    const ListenAddress& address() const;
    // Stops listening, removes its unix socket, and drops incomplete requests; answers that have begun are
    // finished. Handlers are no longer called. May be called again.
    void stop();
    std::size_t connections() const;

  private:
    struct State;
    struct Session;
    std::shared_ptr<State> state_;
};

}  // namespace memoir::http
