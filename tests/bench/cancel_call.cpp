// How soon does a model call that is cancelled come back (a drain, a lost lease, a job's deadline)? 64 calls
// at once through the chat client, each cancelled by a stop_token of its own, while the server is silent
// before its headers, within them, in the body, or drips. usage: bench_cancel_call [rounds]

#include <thread>

#include "bench/bench.hpp"
#include "endpoint/endpoint.hpp"
#include "http/client.hpp"
#include "model/chat.hpp"
#include "support/http_double.hpp"
#include "support/recording_log.hpp"
#include "support/wait.hpp"

using namespace memoir;
using Fault = test::HttpReply::Fault;

namespace {

constexpr std::size_t calls = 64;

// Milliseconds from each request to stop until its call has thrown; exits where a call ends otherwise.
void measure(Fault fault, std::vector<double>& times) {
    test::HttpDouble server([fault](const test::HttpRequest&) {
        test::HttpReply reply;
        reply.body = std::string(100'000, ' ');
        reply.fault = fault;
        return reply;
    });
    test::RecordingLog log;
    http::Client client;
    model::ChatOptions options;
    options.url = server.url();
    options.max_concurrent = static_cast<int>(calls);
    const auto chat = model::make_chat(options, "extraction", client, log);

    std::vector<std::stop_source> stops(calls);
    std::vector<TimePoint> ended(calls);
    std::vector<std::thread> threads;
    for (std::size_t number = 0; number < calls; ++number)
        threads.emplace_back([&, number] {
            try {
                chat->complete({"rules", "memory", "facts", R"({"type":"object"})", 1},
                               stops[number].get_token());
            } catch (const Failure& failure) {
                if (failure.type() == FailureType::cancelled) ended[number] = Steady::now();
            }
        });
    if (!test::eventually([&] { return server.requests().size() == calls; })) std::exit(2);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // what the double does send has come

    std::vector<TimePoint> asked(calls);
    for (std::size_t number = 0; number < calls; ++number) {
        asked[number] = Steady::now();
        stops[number].request_stop();
    }
    for (auto& thread : threads) thread.join();
    for (std::size_t number = 0; number < calls; ++number) {
        if (ended[number] == TimePoint{}) {
            std::printf("a call ended otherwise than cancelled\n");
            std::exit(2);
        }
        times.push_back(std::chrono::duration<double, std::milli>(ended[number] - asked[number]).count());
    }
}

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
    std::vector<double> slowest;
    for (const auto& [fault, name] : {std::pair(Fault::hang, "silent"),
                                      {Fault::stall_headers, "in its headers"},
                                      {Fault::stall, "in its body"},
                                      {Fault::drip, "dripping"}}) {
        std::vector<double> times;
        for (int round = 0; round < rounds; ++round) measure(fault, times);
        std::printf("server %s: %zu calls, cancelled within %.2f ms (median), %.2f ms (slowest)\n", name,
                    times.size(), bench::median(times), bench::quantile(times, 1));
        slowest.push_back(bench::quantile(times, 1));
    }
    bench::figure("cancel of a model call in flight, the slowest", bench::quantile(slowest, 1), " ms",
                  bench::Wanted::at_most, 50);
    return 0;
}
