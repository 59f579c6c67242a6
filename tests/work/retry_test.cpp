#include "work/retry.hpp"

#include <catch2/catch.hpp>

using namespace memoir;
using namespace memoir::work;
using End = Decision::End;

TEST_CASE("the type of a failure decides what becomes of the job") {
    struct Row {
        FailureType type;
        int attempts;
        End end;
        int counted;
    };
    const Row rows[] = {
        {FailureType::outage, 0, End::park, 0},      {FailureType::outage, 99, End::park, 0},
        {FailureType::throttled, 2, End::park, 0},   {FailureType::blocked, 2, End::park, 0},
        {FailureType::job, 0, End::park, 1},         {FailureType::job, 1, End::park, 1},
        {FailureType::job, 2, End::fail, 0},         {FailureType::permanent, 0, End::fail, 0},
        {FailureType::cancelled, 2, End::release, 0}};
    Options options;
    options.max_attempts = 3;
    for (const auto& row : rows) {
        CAPTURE(to_string(row.type), row.attempts);
        const auto decision = decide(Failure(row.type, "x"), row.attempts, Milliseconds(1'000), options, 0.5);
        CHECK(decision.end == row.end);
        CHECK(decision.attempts == row.counted);
    }
}

TEST_CASE("attempt n waits base times two to the n-1, at most the cap, with jitter below it") {
    const Milliseconds base(5'000), cap(600'000);
    CHECK(back_off(1, base, cap, 0.999999) >= Milliseconds(4'999));
    CHECK(back_off(1, base, cap, 0) == Milliseconds(3'750));
    CHECK(back_off(2, base, cap, 0) == Milliseconds(7'500));
    CHECK(back_off(5, base, cap, 0) == Milliseconds(60'000));
    CHECK(back_off(20, base, cap, 0.5) <= cap);
    CHECK(back_off(20, base, cap, 0) == Milliseconds(450'000));
    CHECK(back_off(2'000'000'000, base, cap, 0) == Milliseconds(450'000));
}

TEST_CASE("an outage parks until the endpoint's next probe, or longer where the server named a time") {
    Options options;
    Failure failure(FailureType::throttled, "HTTP 429");
    CHECK(decide(failure, 0, Milliseconds(4'000), options, 0).delay == Milliseconds(4'000));
    failure.retry_after = Milliseconds(30'000);
    CHECK(decide(failure, 0, Milliseconds(4'000), options, 0).delay == Milliseconds(30'000));
    CHECK(decide(failure, 0, Milliseconds(4'000), options, 1).delay == Milliseconds(33'000));
}

TEST_CASE("an outage without an endpoint does not spin") {
    CHECK(decide(Failure(FailureType::outage, "out of memory"), 0, Milliseconds(0), Options{}, 0).delay ==
          Milliseconds(5'000));
}

TEST_CASE("a retry waits at least as long as the server asked for") {
    Options options;
    Failure failure(FailureType::job, "HTTP 409");
    failure.retry_after = Milliseconds(60'000);
    CHECK(decide(failure, 0, Milliseconds(0), options, 0).delay == Milliseconds(60'000));
}

TEST_CASE("a failure that is not confirmed to be the job's own does not end it") {
    Options options;
    options.max_attempts = 3;
    Failure failure(FailureType::permanent, "HTTP 400");
    failure.spared = true;
    auto decision = decide(failure, 0, Milliseconds(0), options, 1);
    CHECK(decision.end == End::park);
    CHECK(decision.attempts == 0);
    CHECK(decision.delay == Milliseconds(1'000));
    failure.retry_after = Milliseconds(40'000);
    CHECK(decide(failure, 0, Milliseconds(0), options, 1).delay == Milliseconds(40'000));

    Failure last(FailureType::job, "HTTP 500");
    last.spared = true;
    CHECK(decide(last, 1, Milliseconds(0), options, 1).attempts == 1);
    decision = decide(last, 2, Milliseconds(0), options, 1);
    CHECK(decision.end == End::park);
    CHECK(decision.attempts == 0);
}
