#pragma once
// An HTTP/1.1 server over a real loopback socket that answers what a test's handler says, and breaks where
// it says. A double: it stands in for model servers and for Qdrant's faults. A thread per connection; the
// handler runs on them, several at a time. Its port stays reserved while it is stopped, so that nobody else
// answers there. Thread safety: all of it, start and stop from one thread at a time.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace memoir::test {

struct HttpRequest {
    std::string method, target;                  // target with its query
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body{};
};

struct HttpReply {
    int status = 200;
    std::string body{};
    std::vector<std::pair<std::string, std::string>> headers{};  // Content-Type defaults to application/json
    enum class Fault {
        none,
        hang,           // nothing is ever answered
        cut,            // headers and half of the body, then close
        reset,          // RST before any byte
        garbage,        // bytes that are no HTTP
        stall,          // headers and half of the body, then silence
        close,          // orderly close before any byte
        stall_headers,  // half of the headers, then silence
        drip,           // headers at once, then the body a byte every `drip`
    } fault = Fault::none;
    bool chunked = false;                 // Transfer-Encoding: chunked instead of Content-Length
    std::string raw{};                    // where not empty: sent as it is instead of an answer, then close
    std::chrono::milliseconds delay{0};   // before the first byte; ends early when the double stops
    std::chrono::milliseconds drip{100};  // see Fault::drip
};

class HttpDouble {
  public:
    using Handler = std::function<HttpReply(const HttpRequest&)>;
    explicit HttpDouble(Handler handler);
    ~HttpDouble();
    std::string url() const;  // "http://127.0.0.1:PORT"
    int port() const;
    void handle(Handler handler);  // replaces the handler from the next request on
    std::vector<HttpRequest> requests() const;
    void forget();                    // clears requests()
    std::size_t connections() const;  // accepted so far
    void stop();                      // refuses connections, drops the open ones
    void start();                     // again, on the same port
    // Bytes sent to every client as soon as it connects (what a gRPC port does); empty: none.
    void greet(std::string bytes);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace memoir::test
