#include "base/sha256.hpp"

#include <catch2/catch.hpp>

TEST_CASE("gives the digests that FIPS 180-4 lists") {
    CHECK(memoir::sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(memoir::sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
