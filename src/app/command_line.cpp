#include "app/command_line.hpp"

namespace memoir::app {

const std::vector<config::Option>& options() {
    static const std::vector<config::Option> all = [] {
        auto table = config::source_options();
        table.insert(table.end(),
                     {
                         {"check-config", "",
                          "validate the configuration without connecting to anything; exit 0 or 78"},
                         {"print-config", "",
                          "print the effective configuration as TOML, with origins and without secrets"},
                         {"until-idle", "", "work until no job is left that this host serves, then exit"},
                         {"version", "", "print the version"},
                         {"help", "", "print this help", {}, 'h'},
                     });
        return table;
    }();
    return all;
}

const std::vector<Explained>& signals() {
    static const std::vector<Explained> all{
        {"TERM, INT",
         "Drain: stop claiming, finish running jobs within worker.drain_timeout, release the rest without "
         "counting an attempt, exit. A second signal skips the wait."},
        {"HUP",
         "Reread the configuration, key files and prompt files and apply, without interrupting any job, the "
         "keys "
         "that memoird.toml(5) calls reloadable. Keys that need a restart are named in the log and keep "
         "their "
         "values; a file with a mistake, or a model that cannot be loaded, changes nothing."},
        {"USR1", "Log the status."},
    };
    return all;
}

const std::vector<Explained>& exit_codes() {
    static const std::vector<Explained> all{
        {"0", "Drained, released, or idle (--until-idle)."},
        {"1", "An unexpected error occurred; with --until-idle also: a job failed permanently."},
        {"64", "The command line cannot be understood."},
        {"69",
         "--until-idle only: for 60 s the database was unreachable, or every remaining job was waiting for a "
         "backend. The service itself waits instead."},
        {"78",
         "The configuration, the database's schema, a model's files or the index's dimension must be "
         "corrected "
         "first; the last line says why, with a HINT. systemd does not restart memoird after this code or "
         "after "
         "64."},
    };
    return all;
}

}  // namespace memoir::app
