#include "pg/resolver.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace memoir::pg {
namespace {

// Pool, keeper and listener ask at the same time; a fourth thread is for a second host of theirs.
constexpr std::size_t most_threads = 4;

Resolver::Answer ask(const std::string& host, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* list = nullptr;
    Resolver::Answer answer;
    answer.error = getaddrinfo(host.c_str(), nullptr, &hints, &list);
    if (answer.error != 0) return answer;
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> guard(list, &freeaddrinfo);
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
        char text[NI_MAXHOST];
        if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) ==
            0)
            answer.addresses.emplace_back(text);
    }
    return answer;
}

struct Request {
    std::string host;
    std::optional<Resolver::Answer> answer;
    bool abandoned = false;
};

}  // namespace

struct Resolver::State {
    std::mutex mutex;
    std::condition_variable_any changed;
    Lookup lookup;
    std::deque<std::shared_ptr<Request>> queue;
    std::size_t idle = 0;
    std::vector<std::jthread> threads;  // last: joined before the rest goes

    void serve(const std::stop_token& stop) {
        std::unique_lock lock(mutex);
        while (true) {
            ++idle;
            changed.wait(lock, stop, [this] { return !queue.empty(); });
            --idle;
            if (stop.stop_requested()) return;
            const auto request = std::move(queue.front());
            queue.pop_front();
            if (request->abandoned) continue;
            lock.unlock();
            auto answer = lookup(request->host);
            lock.lock();
            request->answer = std::move(answer);
            changed.notify_all();
        }
    }
};

Resolver::Resolver(Lookup lookup) : state_(std::make_unique<State>()) {
    state_->lookup = std::move(lookup);
}

Resolver::~Resolver() = default;

Resolver& Resolver::shared() {
    static Resolver& resolver =
        *std::make_unique<Resolver>([](const std::string& host) { return ask(host, 0); }).release();
    return resolver;
}

std::optional<Resolver::Answer> Resolver::resolve(const std::string& host, TimePoint deadline,
                                                  std::stop_token stop) {
    // An address needs no name server and no thread.
    if (auto numeric = ask(host, AI_NUMERICHOST); numeric.error == 0) return numeric;

    const auto request = std::make_shared<Request>();
    request->host = host;
    std::unique_lock lock(state_->mutex);
    state_->queue.push_back(request);
    if (state_->idle < state_->queue.size() && state_->threads.size() < most_threads)
        state_->threads.emplace_back([state = state_.get()](std::stop_token end) { state->serve(end); });
    state_->changed.notify_all();
    state_->changed.wait_until(lock, stop, deadline, [&] { return request->answer.has_value(); });
    if (!request->answer) {
        request->abandoned = true;
        std::erase(state_->queue, request);
    }
    return std::move(request->answer);
}

}  // namespace memoir::pg
