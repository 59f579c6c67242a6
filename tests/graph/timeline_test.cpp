// Single-valued relations: the edges follow from what was said, whatever the order in which it was processed.
#include "graph/timeline.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "support/scale.hpp"

using namespace memoir::graph;

namespace {

Statement said(const std::string& at, const std::string& object, const std::string& pid = "p") {
    return {at, object, pid + at, 0.5, "works at"};
}

std::string drawn(const std::vector<Edge>& edges) {
    std::string text;
    for (const auto& edge : edges) {
        text += edge.object + "[" + edge.valid_from + "," + edge.valid_to.value_or("") + "){";
        for (const auto& pid : edge.pids()) text += pid + " ";
        if (text.back() == ' ') text.pop_back();
        text += "} ";
    }
    return text;
}

// As one job after the other would do it: each sees the edges that are there, through the property.
std::vector<Edge> processed(const std::vector<Statement>& order) {
    std::vector<Edge> edges;
    for (const auto& statement : order) {
        std::vector<Statement> known;
        for (const auto& edge : edges) {
            known.push_back(edge.statements.front());
            for (auto& later : from_property(to_property(edge), edge.object)) known.push_back(later);
        }
        known.push_back(statement);
        edges = timeline(std::move(known));
    }
    return edges;
}

}  // namespace

TEST_CASE("a newer statement closes the edge before it") {
    CHECK(drawn(timeline({said("1", "A"), said("2", "B")})) == "A[1,2){p1} B[2,){p2} ");
}

TEST_CASE("an older statement that arrives later ends where the next one begins") {
    CHECK(drawn(processed({said("2", "B"), said("1", "A")})) == "A[1,2){p1} B[2,){p2} ");
}

TEST_CASE("a restatement adds its source to the edge that holds") {
    CHECK(drawn(processed({said("1", "A"), said("3", "A")})) == "A[1,){p1 p3} ");
    CHECK(drawn(processed({said("3", "A"), said("1", "A")})) == "A[1,){p1 p3} ");
}

TEST_CASE("a restated edge that is split later begins again where it was restated") {
    CHECK(drawn(processed({said("1", "A"), said("3", "A"), said("2", "B")})) ==
          "A[1,2){p1} B[2,3){p2} A[3,){p3} ");
}

TEST_CASE("processing a source twice changes nothing") {
    const auto once = processed({said("1", "A"), said("2", "B")});
    CHECK(processed({said("1", "A"), said("2", "B"), said("1", "A"), said("2", "B"), said("1", "A")}) ==
          once);
}

TEST_CASE("the edges do not depend on the order, nor on replays") {
    std::minstd_rand random(11);
    for (int round = 0; round < memoir::test::scaled(2'000); ++round) {
        std::vector<Statement> all;
        for (auto count = 1 + random() % 8; count > 0; --count) {
            auto one =
                said(std::to_string(random() % 6), std::string(1, static_cast<char>('A' + random() % 3)),
                     std::string(1, static_cast<char>('p' + random() % 3)));
            one.confidence = static_cast<double>(static_cast<float>(random() % 10) / 10);
            one.relation = random() % 2 == 0 ? "works at" : "works_at";
            all.push_back(one);
        }
        const auto expected = timeline(all);
        std::vector<std::size_t> order(all.size());
        for (std::size_t at = 0; at < order.size(); ++at) order[at] = at;
        std::ranges::shuffle(order, random);
        std::vector<Statement> shuffled;
        for (const auto at : order) shuffled.push_back(all[at]);
        for (auto replays = random() % 3; replays > 0; --replays)
            shuffled.push_back(all[random() % all.size()]);
        // One source that says a thing twice at one time in different words is one statement; which words are
        // kept may depend on what was processed first.
        const auto edges = processed(shuffled);
        REQUIRE(drawn(edges) == drawn(expected));
        for (std::size_t at = 1; at < edges.size(); ++at) {
            REQUIRE(edges[at - 1].valid_to == edges[at].valid_from);
            REQUIRE(edges[at - 1].object != edges[at].object);
        }
    }
}

TEST_CASE("what is no property of ours holds no statements") {
    for (const char* text :
         {"", "x", "{}", "[1]", R"([{"at":"1"}])", R"([{"at":1,"pid":"p","relation":"r","confidence":1}])"})
        CHECK(from_property(text, "A").empty());
    const Edge edge{"A", "1", {}, {said("1", "A"), said("2", "A")}};
    CHECK(from_property(to_property(edge), "A") == std::vector<Statement>{said("2", "A")});
    CHECK(to_property({"A", "1", {}, {said("1", "A")}}).empty());
}

TEST_CASE("a property that nests 300,000 levels deep, or holds a million values, holds no statements") {
    const std::string open(300'000, '['), close(300'000, ']');
    CHECK(from_property(R"([{"at":)" + open + close + "}]", "A").empty());
    std::string many = "[";
    for (int at = 0; at < 1'000'000; ++at) many += "1,";
    CHECK(from_property(many + "1]", "A").empty());
}
