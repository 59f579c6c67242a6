// The payload of a reprocess job.
#include "stages/correction.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/failure.hpp"

using namespace memoir;
using namespace memoir::stages;

TEST_CASE("what a correction leaves out has its default") {
    const auto correction = read_correction(R"({"reason":"stale"})");
    CHECK(correction.reason == "stale");
    CHECK_FALSE(correction.feedback);
    CHECK(correction.min_similarity == 0.5);
    CHECK(correction.top_k == 10);
    CHECK_FALSE(correction.progress.members);
}

TEST_CASE("any number is a similarity, a non-negative integer is a top_k, a text is feedback") {
    const auto given = read_correction(
        R"({"reason":"rejected","feedback":" no ","min_similarity":-2,"top_k":0,"other":[]})");
    CHECK(given.reason == "rejected");
    CHECK(given.feedback == " no ");
    CHECK(given.min_similarity == -2);
    CHECK(given.top_k == 0);
    for (const auto* strange : {R"({"reason":"stale","feedback":"  ","min_similarity":"0.1","top_k":-1})",
                                R"({"reason":"stale","feedback":7,"min_similarity":null,"top_k":2.5})",
                                R"({"reason":"stale","feedback":null,"min_similarity":[],"top_k":"3"})"}) {
        CAPTURE(strange);
        const auto correction = read_correction(strange);
        CHECK_FALSE(correction.feedback);
        CHECK(correction.min_similarity == 0.5);
        CHECK(correction.top_k == 10);
    }
    CHECK(read_correction(R"({"reason":"stale","top_k":18446744073709551615})").top_k == 10'000);
}

TEST_CASE("a payload that no retry makes better is a permanent failure without its content") {
    for (const auto* bad :
         {"[]", "null", R"("stale")", "{}", R"({"reason":"SECRET"})", R"({"reason":null})",
          R"({"reason":"Stale"})", R"({"reason":"stale","memoird":{"members":"SECRET"}})",
          R"({"reason":"stale","memoird":{"members":[1]}})", R"({"reason":"stale","memoird":7})"}) {
        CAPTURE(bad);
        try {
            read_correction(bad);
            FAIL("accepted");
        } catch (const Failure& failure) {
            CHECK(failure.type() == FailureType::permanent);
            CHECK(failure.reason().find("SECRET") == std::string::npos);
        }
    }
}

TEST_CASE("progress comes back as it was, beside what the writer wrote") {
    const std::string payload = R"({"reason":"stale","feedback":"x","other":{"a":1}})";
    Correction::Progress progress{"pid", std::vector<std::string>{"a", "b"}, {"c"}};
    const auto written = with_progress(payload, progress);
    const auto back = read_correction(written).progress;
    CHECK(back.feedback_pid == "pid");
    CHECK(back.members == progress.members);
    CHECK(back.retired == progress.retired);
    auto body = nlohmann::json::parse(written);
    body.erase("memoird");
    CHECK(body == nlohmann::json::parse(payload));
    // An empty list is a frozen one, too: nothing is left to do.
    progress.members->clear();
    const auto last = read_correction(with_progress(written, progress)).progress;
    REQUIRE(last.members);
    CHECK(last.members->empty());
}
