#include "queue/holder.hpp"

#include <catch2/catch.hpp>

using namespace memoir;

TEST_CASE("reads a claim's holder, and nothing out of what is none") {
    const auto holder = queue::parse_holder("memoird/db.example-1:42:n0nce0123456/my.lane.3.19");
    REQUIRE(holder);
    CHECK(*holder == queue::Holder{"db.example-1", 42, "n0nce0123456", "my.lane"});
    for (const auto* text :
         {"", "parked", "worker-7", "memoird/", "memoird/host", "memoird/host:1:n", "memoird/host:1/l.0.1",
          "memoird/host:x:n/l.0.1", "memoird/:1:n/l.0.1", "memoird/h:1:/l.0.1"})
        CHECK_FALSE(queue::parse_holder(text));
}
