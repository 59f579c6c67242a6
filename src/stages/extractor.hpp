#pragma once
// From one memory to its facts or triples, by a chat model that is paid once: what extract, reprocess and
// relational_extract share, each role with an Extractor of its own. Reads the memory and what is derived from
// it, asks the journal of replies and else the model, and compares under the lock of a settle what was read.
// Thread safety: all of it; a Reading is its holder's.

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "extraction/prompt.hpp"
#include "extraction/reply.hpp"
#include "extraction/triples.hpp"
#include "memory/facts.hpp"
#include "memory/replies.hpp"
#include "model/chat.hpp"
#include "pg/pool.hpp"
#include "telemetry/log.hpp"
#include "work/claim.hpp"

namespace memoir::stages {

// A memory as it was read, and what had been derived from it.
struct Reading {
    memory::Memory source;
    std::vector<memory::Derived> derived;
    bool newer_than(std::int64_t created_us) const;  // something was derived later than that
};

class Extractor {
  public:
    struct Settings {
        std::string schema;
        std::string rules;        // extraction::stable_prompt
        bool categorize = false;  // a classifier is configured: facts get a job for it
        // Facts or triples of one reply; more are left out, and told.
        std::size_t most_items = extraction::default_most_items;
    };
    Extractor(model::Chat& chat, memory::Replies& replies, pg::Pool& pool, Settings settings,
              telemetry::Log& log)
        : chat_(chat), replies_(replies), pool_(pool), settings_(std::move(settings)), log_(log) {}

    // nullopt: it does not exist.
    std::optional<Reading> read(const std::string& pid, const std::stop_token& stop) const;
    // Whether `reading` is what stands there now; called with the source locked.
    bool still(pg::Transaction& transaction, const Reading& reading) const;
    // The same of the memory alone.
    bool same(pg::Transaction& transaction, const memory::Memory& source) const;

    // What the model made of it, and the entry of the journal that holds it until the settle.
    struct Paid {
        std::vector<memory::NewFact> facts;
        memory::Replies::Key key;
    };
    // Throws Failure, pg::Error.
    Paid facts(const work::Claim& claim, const memory::Memory& source,
               const std::optional<std::string>& correction, const std::stop_token& stop);

    struct PaidTriples {
        std::string triples;  // as they are staged
        std::size_t count = 0;
        memory::Replies::Key key;
    };
    PaidTriples triples(const work::Claim& claim, const memory::Memory& source, const std::stop_token& stop);

    // In the settle: the facts of a paid reply, and their jobs; deferred. The journal's entry is the caller's
    // to remove.
    void store(pg::Transaction& transaction, const memory::Memory& source, const Paid& paid);
    memory::Replies& replies() { return replies_; }
    model::Chat& chat() { return chat_; }

  private:
    void tell_parsed(std::size_t beyond, std::vector<telemetry::Field> fields);
    model::ChatRequest request(const work::Claim& claim, extraction::Task task, const memory::Memory& source,
                               const std::optional<std::string>& correction) const;
    // From the journal, else from the model, and then into the journal.
    template <typename Reply>
    Reply reply(const work::Claim& claim, const model::ChatRequest& request, const memory::Replies::Key& key,
                std::vector<telemetry::Field>& fields, const std::stop_token& stop);
    template <typename Reply>
    Reply ask(const work::Claim& claim, const model::ChatRequest& request, const std::stop_token& stop);

    model::Chat& chat_;
    memory::Replies& replies_;
    pg::Pool& pool_;
    const Settings settings_;
    telemetry::Log& log_;
};

// YYYY-MM-DD, UTC: when the memory happened, else when it was written.
std::string reference_date(const memory::Memory& source);

}  // namespace memoir::stages
