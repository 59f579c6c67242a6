// Whatever a memory says stays data: quoting against the real server, and the sanitiser of edge types.
#include "graph/cypher.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "graph/client.hpp"
#include "support/falkordb.hpp"
#include "support/recording_log.hpp"

using namespace memoir;
using graph::Literal;
using test::FalkorDb;

namespace {

// What the server makes of a literal.
std::string echoed(graph::Client& client, const std::string& text) {
    const auto rows = client.query(endpoint::Nature::read,
                                   graph::Query().with("v", Literal::text(text)).text("RETURN $v"), {});
    REQUIRE(rows.size() == 1);
    return rows.front().at(0).text();
}

}  // namespace

TEST_CASE("an edge's type is the sanitised relation") {
    using graph::relation_type;
    CHECK(relation_type("works at") == "WORKS_AT");
    CHECK(relation_type("works_at") == "WORKS_AT");
    CHECK(relation_type("  Works -- At! ") == "WORKS_AT");
    CHECK(relation_type("2nd cousin") == "2ND_COUSIN");
    CHECK(relation_type("mag Käse") == "MAG_K_SE");
    CHECK(relation_type("é") == "RELATED_TO");
    CHECK(relation_type("") == "RELATED_TO");
    CHECK(relation_type("a`]->() DELETE") == "A_DELETE");
    CHECK(graph::quoted_type("2nd `x") == "`2ND_X`");
}

TEST_CASE("works at, lives in, located in and reports to have one object at a time") {
    for (const char* relation : {"works at", "Lives_In", "LOCATED IN", "reports-to"})
        CHECK(graph::is_single_valued(graph::relation_type(relation)));
    for (const char* relation : {"knows", "works", "works at night", ""})
        CHECK_FALSE(graph::is_single_valued(graph::relation_type(relation)));
}

TEST_CASE("every text comes back from the server as it was given, but for U+0000") {
    if (!FalkorDb::available()) return;
    FalkorDb server;
    test::RecordingLog log;
    graph::Client client(server.options(), log);
    for (int letter = 1; letter < 128; ++letter) {
        const auto text = std::string("a") + static_cast<char>(letter) + "b" + static_cast<char>(letter);
        CAPTURE(letter);
        CHECK(echoed(client, text) == text);
    }
    for (const std::string text : {R"(\)", R"(\\")", R"("$v)", "'", "`", "ä€\U0001F600\u2028\u200F",
                                   "\r\n\\n", R"(\u0041)", R"(" RETURN 1 //)", "$agent", "}", ")"})
        CHECK(echoed(client, text) == text);
    CHECK(echoed(client, std::string("a\0b", 3)) == "ab");
    CHECK(echoed(client, "") == "");
    std::string large;
    for (int part = 0; part < 10'000; ++part) large += "\"\\ zwölf ";
    CHECK(echoed(client, large) == large);
    std::minstd_rand random(7);
    const std::string alphabet = "\"\\'`$\n\r\t{}[]():;,-> aAeé";
    for (int round = 0; round < 200; ++round) {
        std::string text;
        for (auto length = random() % 40; length > 0; --length) text += alphabet[random() % 24];
        CHECK(echoed(client, text) == text);
    }
}

TEST_CASE("a memory that tries to be Cypher stays data") {
    if (!FalkorDb::available()) return;
    FalkorDb server;
    test::RecordingLog log;
    graph::Client client(server.options(), log);
    client.query(endpoint::Nature::write, "CREATE (:Entity {name: 'kept'})", {});
    for (const std::string attack :
         {R"(" MATCH (n) DETACH DELETE n //)", R"(\" MATCH (n) DETACH DELETE n //)",
          "\"}) MATCH (n) DETACH DELETE n //", "x\n\nMATCH (n) DETACH DELETE n"}) {
        client.query(endpoint::Nature::write,
                     graph::Query().with("v", Literal::text(attack)).text("CREATE (:Entity {name: $v})"), {});
        CHECK(client.query(endpoint::Nature::read, "MATCH (n {name: 'kept'}) RETURN n.name", {}).size() == 1);
    }
    CHECK(client.query(endpoint::Nature::read, "MATCH (n) RETURN n.name", {}).size() == 5);
}

TEST_CASE("numbers read back as the same double") {
    CHECK(Literal::number(0.8999999761581421).cypher() == "0.8999999761581421");
    CHECK(Literal::number(1).cypher() == "1.0");
    CHECK(Literal::number(std::nan("")).cypher() == "0.0");
}
