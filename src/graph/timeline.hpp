#pragma once
// Single-valued relations: all that was ever said about one subject and one edge type is one timeline, and
// the edges follow from it, whatever the order in which it was said. Pure. Thread safety: functions.
//
// An edge knows its own first statement by itself. What was said again while it held is kept beside it, in a
// property of ours that readers pass over: without it an older statement of another object, processed later,
// could not tell when the first one was said again.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memoir::graph {

// "At this time the source `pid` said that the relation's object is this one." Times are RFC 3339 texts of
// one form, which sort as they follow each other.
struct Statement {
    std::string at, object, pid;
    double confidence = 1;
    std::string relation;  // as extracted
    friend bool operator==(const Statement&, const Statement&) = default;
};

struct Edge {
    std::string object;
    std::string valid_from;
    std::optional<std::string> valid_to;  // none: current
    std::vector<Statement> statements;    // in the order of time; the first one begins the edge
    std::vector<std::string> pids() const;
    friend bool operator==(const Edge&, const Edge&) = default;
};

// The edges that follow, by time. Statements may repeat.
std::vector<Edge> timeline(std::vector<Statement> statements);

// What the edges say: the other way.
std::vector<Statement> statements_of(const std::vector<Edge>& edges);

// The property `memoird_statements`: those of an edge after the first, as JSON; empty: none. What does not
// read back is none.
std::string to_property(const Edge& edge);
std::vector<Statement> from_property(std::string_view json, const std::string& object);

}  // namespace memoir::graph
