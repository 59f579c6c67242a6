#pragma once
// The only place that puts a query for FalkorDB together. Values travel in the parameter header, written by
// one quoting function; labels and relation types come from the sanitiser alone. Text of a memory stays data,
// whatever it says. Thread safety: values and pure functions.

#include <string>
#include <string_view>

namespace memoir::graph {

// A Cypher literal: what every value becomes before it stands in a query.
class Literal {
  public:
    static Literal text(std::string_view value);  // U+0000 is left out: neither store can hold it
    static Literal number(double value);          // NaN and infinities become 0
    static Literal null();
    const std::string& cypher() const { return cypher_; }

    // Built up from literals: [a, b] and {key: a}. Keys are ours, never from content.
    class List;
    class Map;

  private:
    explicit Literal(std::string cypher) : cypher_(std::move(cypher)) {}
    std::string cypher_;
};

class Literal::List {
  public:
    List& add(const Literal& item);
    Literal done() const { return Literal(items_ + "]"); }
    bool empty() const { return items_ == "["; }

  private:
    std::string items_ = "[";
};

class Literal::Map {
  public:
    Map& add(std::string_view key, const Literal& value);
    Literal done() const { return Literal(items_ + "}"); }

  private:
    std::string items_ = "{";
};

// "CYPHER name=value … body"; the body refers to $name.
class Query {
  public:
    Query& with(std::string_view name, const Literal& value);
    std::string text(std::string_view body) const;

  private:
    std::string header_ = "CYPHER";
};

// The type of an edge (docs/contract.md, "Graph"): upper case, each run of anything but A–Z, a–z, 0–9 one
// underscore, none at the ends, RELATED_TO where nothing is left.
std::string relation_type(std::string_view relation);
// In backticks, as a query has it: a type may begin with a digit.
std::string quoted_type(std::string_view type);
// At most one object at a time: works at, lives in, located in, reports to.
bool is_single_valued(std::string_view type);

}  // namespace memoir::graph
