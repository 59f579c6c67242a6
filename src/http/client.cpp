#include "http/client.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <mutex>

#include "http/transfer.hpp"
#include "http/url.hpp"

namespace memoir::http {
namespace {

struct CleanEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct CleanMulti {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

// The handles of one call at a time: a multi handle for the wake-up, which also keeps the connection, and an
// easy handle. A line serves one origin for its whole life.
struct Line {
    explicit Line(std::string to) : origin(std::move(to)), multi(curl_multi_init()), easy(curl_easy_init()) {
        if (!multi || !easy) throw TransportFailure(TransportError::other, "out of memory");
        curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, 1L);
    }
    std::string origin;
    TimePoint idle_since{};
    std::unique_ptr<CURLM, CleanMulti> multi;
    std::unique_ptr<CURL, CleanEasy> easy;  // goes first
};

// A kept connection costs three descriptors, and is worth little once the server's keep-alive has ended.
constexpr std::size_t max_idle_lines = 128;
constexpr std::chrono::seconds max_idle_time{60};

// The easy handle is in the multi handle exactly as long as this object lives.
class Attached {
  public:
    explicit Attached(const Line& line) : line_(line) {
        if (curl_multi_add_handle(line_.multi.get(), line_.easy.get()) != CURLM_OK)
            throw TransportFailure(TransportError::other, "libcurl refuses a transfer");
    }
    ~Attached() { curl_multi_remove_handle(line_.multi.get(), line_.easy.get()); }
    Attached(const Attached&) = delete;
    Attached& operator=(const Attached&) = delete;

  private:
    const Line& line_;
};

std::optional<CURLcode> result(CURLM* multi) {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left))
        if (message->msg == CURLMSG_DONE) return message->data.result;
    return std::nullopt;
}

// Runs the transfer to its end, the stop or the silence. libcurl's own timers end the other waits.
CURLcode drive(const Line& line, const Transfer& transfer, const std::stop_token& stop) {
    const Attached attached(line);
    const std::stop_callback wake(stop, [&line] { curl_multi_wakeup(line.multi.get()); });
    for (;;) {
        int running = 0;
        if (curl_multi_perform(line.multi.get(), &running) != CURLM_OK)
            transfer.fail(TransportError::other, "libcurl fails");
        if (const auto code = result(line.multi.get())) return *code;
        if (stop.stop_requested()) transfer.fail(TransportError::cancelled, "cancelled");
        Milliseconds wait{1'000};
        if (const auto silent = transfer.silent_at()) {
            const auto left = std::chrono::ceil<Milliseconds>(*silent - Steady::now());
            if (left.count() <= 0) transfer.fail(TransportError::silence, "the answer stopped coming");
            wait = std::min(wait, left);
        }
        curl_multi_poll(line.multi.get(), nullptr, 0, static_cast<int>(wait.count()), nullptr);
    }
}

}  // namespace

struct Client::State {
    std::mutex mutex;
    std::vector<std::unique_ptr<Line>> idle;  // longest idle first

    std::unique_ptr<Line> take(const std::string& origin) {
        {
            std::lock_guard lock(mutex);
            // The one that was used last: its connection is the most likely to be alive.
            const auto found = std::find_if(idle.rbegin(), idle.rend(),
                                            [&](const auto& line) { return line->origin == origin; });
            if (found != idle.rend()) {
                auto line = std::move(*found);
                idle.erase(std::next(found).base());
                return line;
            }
        }
        return std::make_unique<Line>(origin);
    }

    void put_back(std::unique_ptr<Line> line) {
        curl_easy_reset(line->easy.get());
        std::vector<std::unique_ptr<Line>> old;  // closed without the lock
        std::lock_guard lock(mutex);
        const auto now = Steady::now();
        line->idle_since = now;
        auto end = idle.begin();
        while (end != idle.end() && now - (*end)->idle_since > max_idle_time) ++end;
        if (end == idle.begin() && idle.size() >= max_idle_lines) ++end;
        old.assign(std::make_move_iterator(idle.begin()), std::make_move_iterator(end));
        idle.erase(idle.begin(), end);
        idle.push_back(std::move(line));
    }
};

Client::Client() : state_(std::make_unique<State>()) {
    // Once per process, and never undone: there may be other users of libcurl.
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (ready != CURLE_OK) throw TransportFailure(TransportError::other, "libcurl does not start");
}

Client::~Client() = default;

Response Client::send(const Request& request, std::stop_token stop) {
    const Url url = checked_url(request);
    auto line = state_->take(url.scheme + "://" + url.authority());
    Transfer transfer(line->easy.get(), request, url);
    if (stop.stop_requested()) transfer.fail(TransportError::cancelled, "cancelled");
    // A line on which a call failed is not used again: its state cannot be trusted.
    Response response = transfer.finish(drive(*line, transfer, stop));
    state_->put_back(std::move(line));
    return response;
}

}  // namespace memoir::http
