#pragma once
// The keys of [log]. A value; config fills it. The level alone changes while memoird runs.

#include <string>

#include "telemetry/log.hpp"

namespace memoir::telemetry {

enum class Format { automatic, json, text };

struct LogOptions {
    Level level = Level::info;
    Format format = Format::automatic;  // automatic: journal when systemd started us, else text
};

}  // namespace memoir::telemetry
