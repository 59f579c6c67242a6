#pragma once
// Every event that memoird and memoirctl can emit: the stable name that operators filter on, the MESSAGE_ID
// by which the journal's catalog explains it, and what to do about it. The catalog file of the package is
// generated from this table. To add an event: a row in catalog.cpp, sorted by name, with a new random id
// (`systemd-id128 new`), then `test_telemetry "[write-catalog]"`. An id is never changed or used again.
// Thread safety: constants and pure functions.

#include <span>
#include <string>
#include <string_view>

#include "telemetry/log.hpp"

namespace memoir::telemetry {

struct CatalogEntry {
    std::string_view name;
    std::string_view id;       // 128 bits, 32 lower-case hexadecimal digits
    Level level;               // the usual one; an emitter may choose another
    bool notable;              // shown among the last events of the status page
    std::string_view meaning;  // sentences; the first words name the event's subject
    std::string_view action;   // what an operator does about it
};

std::span<const CatalogEntry> catalog();

// Null when no row has this name.
const CatalogEntry* find_event(std::string_view name);

// The journal's catalog file (systemd.io/CATALOG), packaging/memoird.catalog.
std::string journal_catalog();

}  // namespace memoir::telemetry
