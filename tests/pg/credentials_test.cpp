#include "pg/credentials.hpp"

#include <catch2/catch.hpp>

using namespace memoir;

TEST_CASE("a password that was rotated takes the place of the old one, and no other server does") {
    auto& credentials = pg::Credentials::shared();
    const std::string before = "postgresql://memoird:old@db:5432/memoir";
    std::optional<std::string> now;
    CHECK_FALSE(credentials.renew(before));
    credentials.source([&](const std::string& asked) {
        CHECK(asked == before);
        return now;
    });
    CHECK_FALSE(credentials.renew(before));
    for (const char* other : {"postgresql://memoird:new@other:5432/memoir",
                              "postgresql://memoird:new@db:5432/elsewhere", "no connection string ="}) {
        now = other;
        CHECK_FALSE(credentials.renew(before));
        CHECK(credentials.current(before) == before);
    }
    now = "host=db port=5432 dbname=memoir user=memoird2 password=new";
    CHECK(credentials.renew(before));
    CHECK(credentials.current(before) == now);
    CHECK_FALSE(credentials.renew(before));
    credentials.source({});
    CHECK(credentials.current(before) == before);
}
