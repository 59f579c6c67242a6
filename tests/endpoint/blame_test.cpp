#include "endpoint/blame.hpp"

#include <catch2/catch.hpp>

using namespace memoir;
using endpoint::Blame;
using endpoint::judge;
using endpoint::Known;
using endpoint::Shown;
using endpoint::Standing;

namespace {

constexpr int many = endpoint::alike_jobs;

Blame of(FailureType type, Known known, Shown shown = Shown::said) {
    return judge(Failure(type, "HTTP 400"), shown, known);
}

// A server that served others before, and has said nothing since.
Known working() {
    Known known;
    known.worked = true;
    return known;
}

Known with(Standing standing) {
    auto known = working();
    known.others_succeeded = true;
    known.standing = standing;
    return known;
}

}  // namespace

TEST_CASE("an ambiguous failure is the job's only when the endpoint works for others") {
    struct Row {
        bool open, others_succeeded, can_probe;
        Blame blame;
    };
    const auto row = GENERATE(values<Row>({{false, false, true, Blame::probe},
                                           {false, false, false, Blame::endpoint},
                                           {false, true, true, Blame::job},
                                           {false, true, false, Blame::job},
                                           {true, false, true, Blame::endpoint},
                                           {true, false, false, Blame::endpoint},
                                           {true, true, true, Blame::endpoint},
                                           {true, true, false, Blame::endpoint}}));
    CAPTURE(row.open, row.others_succeeded, row.can_probe);
    Known known;
    known.open = row.open;
    known.others_succeeded = row.others_succeeded;
    known.can_probe = row.can_probe;
    CHECK(of(FailureType::ambiguous, known) == row.blame);
}

TEST_CASE("what is certain is the endpoint's, unless it has just worked") {
    struct Row {
        FailureType type;
        Shown shown;
        bool worked;
        Blame blame;
    };
    const auto row = GENERATE(values<Row>({{FailureType::blocked, Shown::said, false, Blame::endpoint},
                                           {FailureType::blocked, Shown::said, true, Blame::probe},
                                           {FailureType::outage, Shown::said, false, Blame::endpoint},
                                           {FailureType::outage, Shown::said, true, Blame::probe},
                                           {FailureType::outage, Shown::cut, true, Blame::endpoint},
                                           {FailureType::throttled, Shown::said, false, Blame::endpoint},
                                           {FailureType::throttled, Shown::said, true, Blame::endpoint},
                                           {FailureType::permanent, Shown::said, false, Blame::probe},
                                           {FailureType::permanent, Shown::said, true, Blame::probe},
                                           {FailureType::job, Shown::said, false, Blame::job},
                                           {FailureType::job, Shown::said, true, Blame::job}}));
    CAPTURE(to_string(row.type), row.worked);
    Known known;
    known.worked = row.worked;
    CHECK(of(row.type, known, row.shown) == row.blame);
}

TEST_CASE("money is everybody's, whatever the probe says") {
    Failure failure(FailureType::blocked, "HTTP 402");
    failure.of_account = true;
    auto known = working();
    known.others_succeeded = true;
    CHECK(judge(failure, Shown::said, known) == Blame::endpoint);
}

TEST_CASE("what is refused alike for several jobs, with none served in between, is everybody's") {
    const auto type = GENERATE(FailureType::permanent, FailureType::job, FailureType::ambiguous,
                               FailureType::blocked, FailureType::outage);
    CAPTURE(to_string(type));
    CHECK(of(type, with({many, 1, false, true})) == Blame::everybody);
    CHECK(of(type, with({many - 1, 1, false, true})) != Blame::everybody);
    SECTION("a limit is the account's, and known to be") {
        CHECK(of(FailureType::throttled, with({many, 1, false, true})) == Blame::endpoint);
    }
}

TEST_CASE("a job's own failure is confirmed by another job that is served, or by a second time alone") {
    struct Row {
        Standing standing;
        Blame blame;
    };
    const auto row = GENERATE(values<Row>({{{0, 0, false, false}, Blame::job},
                                           {{1, 1, false, false}, Blame::unconfirmed},
                                           {{1, 1, true, false}, Blame::job},
                                           {{1, 2, false, false}, Blame::job},
                                           {{2, 2, false, true}, Blame::unconfirmed},
                                           {{2, 3, false, false}, Blame::job},
                                           {{2, 2, true, true}, Blame::job}}));
    const auto type = GENERATE(FailureType::permanent, FailureType::job, FailureType::ambiguous);
    CAPTURE(row.standing.alike, row.standing.times, row.standing.served, row.standing.joined);
    CHECK(of(type, with(row.standing)) == row.blame);
}

TEST_CASE("a probe that passed lately is not asked again for each refusal, though for the first") {
    auto known = working();
    known.standing = {2, 1, false, false};
    CHECK(of(FailureType::permanent, known) == Blame::probe);
    known.probe_passed = true;
    CHECK(of(FailureType::permanent, known) == Blame::unconfirmed);
}

TEST_CASE("a limit that one job alone meets again, while others are served, is its own") {
    CHECK(of(FailureType::throttled, with({1, 1, false, false})) == Blame::endpoint);
    CHECK(of(FailureType::throttled, with({1, 2, true, false})) == Blame::job);
    CHECK(of(FailureType::throttled, with({1, 2, false, false})) == Blame::endpoint);
    CHECK(of(FailureType::throttled, with({2, 2, true, true})) == Blame::endpoint);
}

TEST_CASE("calls that are cut together are spared") {
    auto known = with({1, 1, false, false});
    known.cut_together = true;
    CHECK(of(FailureType::ambiguous, known, Shown::cut) == Blame::spared);
    CHECK(of(FailureType::ambiguous, known, Shown::said) == Blame::unconfirmed);
}
