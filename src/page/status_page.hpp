#pragma once
// The status page: what an operator sees in a browser at `/`. A pure function of a snapshot; one HTML
// document that refreshes itself and loads nothing from other hosts. Served with page::headers(). Thread
// safety: pure functions.

#include <string>

#include "page/snapshot.hpp"

namespace memoir::page {

inline constexpr const char* content_type = "text/html; charset=utf-8";

std::string render(const Snapshot& now);

}  // namespace memoir::page
