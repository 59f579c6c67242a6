#pragma once
// Connections for statements and transactions: held for one of them, never across a model call. Opened on
// demand up to the size, kept LIFO, broken ones thrown away. After a failed connect the next try waits: 100
// ms × 2ⁿ, at most 5 s, with jitter, for the whole pool, and one caller tries for all. What a human has to
// mend (permission, no such database) is thrown at once, and backs off too. A party (a lane) holds at most
// half of the connections: one whose jobs all end at the same moment neither takes the last connection nor
// gives the server so much to do at once that another's single statement stands in line there. A thread of a
// party takes one checkout at a time: if each held one while it waits for its second, they would wait for
// ever. Thread safety: all of Pool; a Checkout is its holder's thread's, and ends before the pool does.

#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "pg/connection.hpp"

namespace memoir::pg {

class Pool {
    struct Member;  // what the pool knows of a party

  public:
    // Called from whichever thread finds out; once at each change of state, in their order, the first state
    // included. They must not call acquire().
    struct Observer {
        std::function<void(const Error&)> down;
        std::function<void()> up;
    };
    Pool(ConnectOptions options, int size, Observer observer = {});
    ~Pool();

    class Checkout {
      public:
        Checkout(Checkout&& other) noexcept;
        Checkout& operator=(Checkout&&) = delete;
        ~Checkout();  // gives the connection back, or drops it when broken or inside a transaction
        Connection& operator*() { return *connection_; }
        Connection* operator->() { return connection_.get(); }

      private:
        friend class Pool;
        Checkout(Pool& pool, std::unique_ptr<Connection> connection, Member& member);
        Pool* pool_;
        std::unique_ptr<Connection> connection_;
        Member* member_;
    };

    // Whose checkouts this thread takes while the object lives; otherwise they are nobody's, and not limited.
    class Party {
      public:
        explicit Party(std::string name);
        ~Party();
        Party(const Party&) = delete;
        Party& operator=(const Party&) = delete;

      private:
        std::string before_;
    };

    // Waits for a free connection, and for the database, until `stop` or `wait` has passed; then throws
    // Error(connection). A stop throws Error(cancelled).
    Checkout acquire(std::stop_token stop = {}, Milliseconds wait = Milliseconds(30'000));

    int size() const;
    int in_use() const;
    bool up() const;  // the last statement or connect succeeded, or there was none yet

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace memoir::pg
