#include "telemetry/catalog.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

using namespace memoir::telemetry;

namespace {

const std::filesystem::path catalog_file = SOURCE_DIR "/packaging/memoird.catalog";

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("every event that the source names is in the catalog") {
    const std::regex literal("\"(memoir\\.[a-z_]+\\.[a-z_]+)\"");
    std::size_t seen = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(SOURCE_DIR "/src")) {
        if (entry.path().extension() != ".cpp" && entry.path().extension() != ".hpp") continue;
        const std::string text = read(entry.path());
        for (auto match = std::sregex_iterator(text.begin(), text.end(), literal);
             match != std::sregex_iterator(); ++match) {
            ++seen;
            const std::string name = (*match)[1];
            INFO(name << " in " << entry.path() << ": add a row to src/telemetry/catalog.cpp");
            CHECK(find_event(name));
        }
    }
    CHECK(seen > catalog().size());  // the catalog's own rows at least
}

TEST_CASE("every event of the catalog is emitted somewhere") {
    std::string sources;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(SOURCE_DIR "/src"))
        if (entry.path().extension() == ".cpp" && entry.path().filename() != "catalog.cpp")
            sources += read(entry.path());
    for (const CatalogEntry& entry : catalog()) {
        INFO(entry.name << ": emit it, or remove its row from src/telemetry/catalog.cpp");
        CHECK(sources.find("\"" + std::string(entry.name) + "\"") != std::string::npos);
    }
}

TEST_CASE("knows every name of docs/contract.md") {
    for (const char* name : {"memoir.worker.started",
                             "memoir.worker.job_started",
                             "memoir.worker.job_succeeded",
                             "memoir.worker.job_failed",
                             "memoir.worker.claim_failed",
                             "memoir.worker.complete_failed",
                             "memoir.worker.fail_failed",
                             "memoir.worker.lease_recovered",
                             "memoir.worker.lease_recovery_failed",
                             "memoir.worker.shutdown",
                             "memoir.worker.aborted",
                             "memoir.worker.exited",
                             "memoir.embed.success",
                             "memoir.embed.source_missing",
                             "memoir.embed.embed_failed",
                             "memoir.embed.upsert_failed",
                             "memoir.embed.index_status_failed",
                             "memoir.extraction.started",
                             "memoir.extraction.source_missing",
                             "memoir.extraction.skipped",
                             "memoir.extraction.llm_failed",
                             "memoir.extraction.parse_failed",
                             "memoir.extraction.parsed",
                             "memoir.extraction.persisted",
                             "memoir.categorize.done",
                             "memoir.categorize.skipped",
                             "memoir.categorize.source_missing",
                             "memoir.reprocess.started",
                             "memoir.reprocess.source_missing",
                             "memoir.reprocess.neighborhood",
                             "memoir.reprocess.done",
                             "memoir.retire.success",
                             "memoir.retire.index_delete_failed",
                             "memoir.relational.staged",
                             "memoir.relational.skipped",
                             "memoir.relational.source_missing",
                             "memoir.synthesize.committed",
                             "memoir.synthesize.no_graph",
                             "memoir.synthesize.no_staged_triples",
                             "memoir.synthesize.source_missing",
                             "memoir.llm.configured",
                             "memoir.nli.loaded",
                             "memoir.reprocess.retire_failed",
                             "memoir.admin.bulk_retry",
                             "memoir.admin.retry_succeeded",
                             "memoir.admin.delete_failed",
                             "memoir.worker.lease_lost",
                             "memoir.worker.job_parked",
                             "memoir.worker.job_released",
                             "memoir.worker.status",
                             "memoir.breaker.opened",
                             "memoir.breaker.closed",
                             "memoir.log.dropped",
                             "memoir.config.reloaded",
                             "memoir.config.rejected",
                             "memoir.fleet.paused",
                             "memoir.fleet.resumed"}) {
        INFO(name);
        CHECK(find_event(name));
    }
    CHECK_FALSE(find_event("memoir.worker.nonsense"));
    CHECK_FALSE(find_event(""));
}

TEST_CASE("every id is its own and of the right form, every row says something") {
    std::set<std::string_view> ids, names;
    for (const CatalogEntry& entry : catalog()) {
        INFO(entry.name);
        CHECK(ids.insert(entry.id).second);
        CHECK(names.insert(entry.name).second);
        CHECK(entry.id.size() == 32);
        CHECK(entry.id.find_first_not_of("0123456789abcdef") == std::string_view::npos);
        CHECK(entry.meaning.ends_with('.'));
        CHECK(entry.action.ends_with('.'));
        CHECK((entry.level < Level::warning || entry.notable));
    }
}

TEST_CASE("the journal's catalog file in the tree is the one that the table makes") {
    CHECK(read(catalog_file) == journal_catalog());
}

// Not a test: writes the file. test_telemetry "[write-catalog]"
TEST_CASE("write the journal's catalog file", "[.][write-catalog]") {
    std::ofstream(catalog_file) << journal_catalog();
}
