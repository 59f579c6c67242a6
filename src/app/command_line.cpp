#include "app/command_line.hpp"

namespace memoir::app {

const std::vector<config::Option>& options() {
    static const std::vector<config::Option> all = [] {
        auto table = config::source_options();
        table.insert(table.end(),
                     {
                         {"check-config", "",
                          "parse and validate the configuration, connect to nothing; exit 0 or 78"},
                         {"print-config", "",
                          "print the effective configuration as TOML, with origins, secrets hidden"},
                         {"until-idle", "", "work until nothing that is served here is left, then exit"},
                         {"version", "", "print the version"},
                         {"help", "", "print this", {}, 'h'},
                     });
        return table;
    }();
    return all;
}

const std::vector<Explained>& signals() {
    static const std::vector<Explained> all{
        {"TERM, INT",
         "Drain: claim nothing more, finish what runs within worker.drain_timeout, hand the rest back "
         "without an attempt, exit. A second one skips the wait."},
        {"HUP",
         "Read the configuration, key files and prompt files again and apply, without dropping a job, what "
         "memoird.toml(5) calls reloadable. What needs a restart is named in the log and stays as it is; a "
         "file with a mistake, or a model that cannot be loaded, changes nothing."},
        {"USR1", "Log one event with the status."},
    };
    return all;
}

const std::vector<Explained>& exit_codes() {
    static const std::vector<Explained> all{
        {"0", "Drained, released, or idle (--until-idle)."},
        {"1", "Something unexpected; with --until-idle also: a job ended as failed meanwhile."},
        {"64", "The command line cannot be understood."},
        {"69",
         "--until-idle only: for 60 s the database was not reached, or every job left was waiting for a "
         "backend. The service itself waits instead."},
        {"78",
         "The configuration, the database's schema, a model's files or the index's dimension can never work "
         "as they are; the last line says why, with a HINT. systemd does not start memoird again after this "
         "and after 64."},
    };
    return all;
}

}  // namespace memoir::app
