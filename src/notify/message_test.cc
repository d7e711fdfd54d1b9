#include "notify/message.h"

#include <gtest/gtest.h>

namespace everseal::notify {
namespace {

constexpr Time kNow{base::Seconds(1'795'000'000)};

News news(Stage stage, const std::string& name) {
  return {.stage = stage,
          .trouble = {.key = "certificate " + name,
                      .headline = name + " could not be renewed",
                      .urgency = stage == Stage::over ? "" : "12 days left",
                      .text = stage == Stage::over ? "" : "The CA says: no.\n\nNext try tomorrow.",
                      .facts = {{"certificate", name}}},
          .since = kNow - std::chrono::hours(30)};
}

TEST(Message, SaysWhatIsWrongOnce) {
  const Message message = compose({.news = {news(Stage::begun, "a.example")}}, "web1", kNow);
  EXPECT_EQ(message.event, "trouble");
  EXPECT_EQ(message.subject, "a.example could not be renewed, 12 days left");
  EXPECT_EQ(message.text,
            "a.example could not be renewed.\n\n"
            "The CA says: no.\n\n"
            "Next try tomorrow.\n\n"
            "-- \n"
            "Everseal on web1. You hear of this once, then daily until it is solved.\n");
}

TEST(Message, PromisesNoReminderOfOneWord) {
  News one = news(Stage::begun, "a.example");
  one.trouble.once = true;
  const Message message = compose({.news = {one}}, "web1", kNow);
  EXPECT_TRUE(message.text.ends_with("-- \nEverseal on web1.\n")) << message.text;
}

TEST(Message, RemindsAndSaysSinceWhen) {
  const Message message = compose({.news = {news(Stage::lasting, "a.example")}}, "web1", kNow);
  EXPECT_EQ(message.event, "reminder");
  EXPECT_EQ(message.subject, "Still: a.example could not be renewed, 12 days left");
  EXPECT_TRUE(message.text.starts_with("a.example could not be renewed, since " +
                                       in_words(kNow - std::chrono::hours(30)) + ".\n"))
      << message.text;
}

TEST(Message, SaysThatItIsOver) {
  const Message message = compose({.news = {news(Stage::over, "a.example")}}, "web1", kNow);
  EXPECT_EQ(message.event, "over");
  EXPECT_EQ(message.subject, "Solved: a.example could not be renewed");
  EXPECT_EQ(message.text, "Solved: a.example could not be renewed. It had begun on " +
                              in_words(kNow - std::chrono::hours(30)) +
                              ".\n\n-- \nEverseal on web1.\n");
}

TEST(Message, IsOneForAll) {
  const Message message =
      compose({.news = {news(Stage::begun, "a.example"), news(Stage::begun, "b.example"),
                        news(Stage::over, "c.example")},
               .renewed = {"d.example"}},
              "web1", kNow);
  EXPECT_EQ(message.subject, "a.example could not be renewed, 12 days left (and 1 more)");
  EXPECT_NE(message.text.find("Solved: c.example"), std::string::npos);
  EXPECT_NE(message.text.find("Renewed:\n  d.example\n\n"), std::string::npos) << message.text;
}

TEST(Message, TellsOfSuccesses) {
  const Message message = compose({.renewed = {"a.example", "b.example"}}, "web1", kNow);
  EXPECT_EQ(message.event, "renewed");
  EXPECT_EQ(message.subject, "Renewed: a.example and 1 more");
  EXPECT_EQ(message.text, "Renewed:\n  a.example\n  b.example\n\n-- \nEverseal on web1.\n");
}

TEST(Message, CountsWhatWouldBeTooMuch) {
  Tidings tidings;
  for (int i = 0; i < 1000; ++i) {
    tidings.news.push_back(news(Stage::begun, "a.example"));
    tidings.renewed.push_back("b.example");
  }
  const Message message = compose(tidings, "web1", kNow);
  EXPECT_NE(message.text.find("And 980 more: everseal status shows them.\n"), std::string::npos);
  EXPECT_NE(message.text.find("  and 980 more\n"), std::string::npos);
  EXPECT_LT(message.text.size(), 4000u);
}

TEST(Message, StaysSmallWhateverThereIsToSay) {
  Tidings tidings;
  for (int i = 0; i < 20; ++i) {
    tidings.news.push_back(news(Stage::begun, "a.example"));
    tidings.news.back().trouble.text = std::string(1 << 20, '"');
    tidings.news.back().trouble.facts = {{"error", std::string(1 << 20, '"')}};
  }
  const Message message = compose(tidings, "web1", kNow);
  EXPECT_NE(message.text.find("more: everseal status shows them.\n"), std::string::npos);
  EXPECT_LT(message.text.size(), 30'000u);
  EXPECT_LT(to_json(message).size(), 100'000u);
}

TEST(Message, FaultA30EscapesAndCutsWhatStrangersSaid) {
  News hostile = news(Stage::begun, "a.example");
  hostile.trouble.text =
      "The CA says: \x1b[2J\r\n.\r\nBcc: x@y $(reboot)" + std::string(1 << 20, 'x');
  hostile.trouble.headline = "a.example\r\nBcc: victim@example.org";
  const Message message = compose({.news = {hostile}}, "we\nb", kNow);
  EXPECT_EQ(message.subject, "a.example\\x0d\\x0aBcc: victim@example.org, 12 days left");
  EXPECT_EQ(message.text.find_first_of("\r\x1b"), std::string::npos);
  EXPECT_LT(message.text.size(), 6000u);
  EXPECT_NE(message.text.find("Everseal on we\\x0ab."), std::string::npos);
}

TEST(Message, IsJsonForPrograms) {
  const Message message = compose({.news = {news(Stage::begun, "a.example")}}, "web1", kNow);
  EXPECT_EQ(to_json(message),
            R"({"version":1,"event":"trouble","host":"web1","at":"2026-11-18T11:06:40Z",)"
            R"("subject":"a.example could not be renewed, 12 days left",)"
            R"("text":"a.example could not be renewed.\n\nThe CA says: no.\n\n)"
            R"(Next try tomorrow.\n\n-- \nEverseal on web1. You hear of this once, then daily )"
            R"(until it is solved.\n","incidents":[{"key":"certificate a.example",)"
            R"("stage":"begun","since":"2026-11-17T05:06:40Z",)"
            R"("headline":"a.example could not be renewed",)"
            R"("facts":{"certificate":"a.example"}}],"renewed":[]})");
}

TEST(Message, NamesMomentsAsPeopleDo) {
  EXPECT_EQ(in_words(Time(base::Seconds(1'795'232'999))), "Sat 21 Nov 2026, 03:49 UTC");
}

}  // namespace
}  // namespace everseal::notify
