"""tools/layers.py finds what it is there to find, in small planted trees."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).parents[2] / "tools/layers.py"
MESON = "add_project_arguments('-Wconversion', language: 'c')\n"


def header(*includes, body="int ks_x(void);"):
    return ("".join(f'#include "{name}"\n' for name in includes)
            + f"{body}\n")


def function(lines):
    """A function of so many lines, its return type's line included."""
    return ("int\nks_f(void)\n{\n" + "    ks_g();\n" * (lines - 4) + "}\n")


class Planted(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.plant("meson.build", MESON)

    def plant(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def findings(self, check):
        """The findings of one check; the exit status must agree."""
        run = subprocess.run(
            [sys.executable, str(TOOL), "--root", str(self.root),
             "--only", check], text=True, capture_output=True, check=False)
        self.assertEqual(run.stderr, "")
        *found, summary = run.stdout.splitlines()
        self.assertTrue(summary.startswith("summary: "), summary)
        self.assertEqual(run.returncode, 1 if found else 0)
        return found

    def assert_one(self, check, *words):
        found = self.findings(check)
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])


class Floors(Planted):
    def test_looking_down_is_fine(self):
        self.plant("src/base/err.h", header())
        self.plant("src/vault/pack.c", header("base/err.h"))
        self.plant("src/cli/main.c", header("base/err.h"))
        self.assertEqual(self.findings("floors"), [])

    def test_looking_up_is_found(self):
        self.plant("src/base/err.c", header("vault/pack.h"))
        self.plant("src/vault/pack.h", header())
        self.assert_one("floors", "src/base/err.c:1", "looks up to vault")

    def test_neighbours_need_an_arrow(self):
        self.plant("src/crypto/seal.h", header())
        self.plant("src/store/folder.c", header("crypto/seal.h"))
        self.assert_one("floors", "src/store/folder.c:1", "arrow")

    def test_an_arrow_goes_one_way(self):
        self.plant("src/net/http.h", header())
        self.plant("src/store/webdav.h", header("net/http.h"))
        self.assertEqual(self.findings("floors"), [])
        self.plant("src/net/http.c", header("store/webdav.h"))
        self.assert_one("floors", "src/net/http.c:1", "arrow")

    def test_a_connector_sees_two_headers_of_the_vault(self):
        for name in ("snapshot_reader", "snapshot_writer", "pack"):
            self.plant(f"src/vault/{name}.h", header())
        self.plant("src/source/signal/a.c", header(
            "vault/snapshot_reader.h", "vault/snapshot_writer.h"))
        self.assertEqual(self.findings("floors"), [])
        self.plant("src/source/signal/b.c", header("vault/pack.h"))
        self.assert_one("floors", "source/signal/b.c:1", "sees of vault only")

    def test_the_server_has_no_way_to_decrypt(self):
        self.plant("src/crypto/seal.h", header())
        self.plant("src/service/put.c", header("crypto/seal.h"))
        self.assert_one("floors", "service sees only base, store")

    def test_the_public_door_shows_nothing_of_the_inside(self):
        self.plant("src/base/err.h", header())
        self.plant("include/keepsay/keepsay.h", header("base/err.h"))
        self.assert_one("floors", "include/keepsay/keepsay.h:1")

    def test_lower_rooms_do_not_go_through_the_public_door(self):
        self.plant("include/keepsay/keepsay.h", header())
        self.plant("src/api/archive.c", header("keepsay/keepsay.h"))
        self.assertEqual(self.findings("floors"), [])
        self.plant("src/job/backup.c", header("keepsay/keepsay.h"))
        self.assert_one("floors", "src/job/backup.c:1", "public door")

    def test_a_room_that_is_in_no_plan_is_found(self):
        self.plant("src/attic/old.c", header())
        self.assert_one("floors", "src/attic/old.c", "in no room")

    def test_an_include_that_is_nowhere_is_found(self):
        self.plant("src/base/err.c", header("base/eer.h"))
        self.assert_one("floors", '"base/eer.h" is nowhere')

    def test_source_does_not_include_tests(self):
        self.plant("tests/support/fault.h", header())
        self.plant("src/base/err.c", header("fault.h"))
        self.assert_one("floors", "source includes a test")


class Circles(Planted):
    def test_a_module_may_include_its_own_header(self):
        self.plant("src/base/a.h", header())
        self.plant("src/base/a.c", header("base/a.h"))
        self.assertEqual(self.findings("circles"), [])

    def test_two_headers_in_a_circle_are_found(self):
        self.plant("src/base/a.h", header("base/b.h"))
        self.plant("src/base/b.h", header("base/a.h"))
        self.assert_one("circles", "modules", "src/base/a src/base/b")

    def test_a_circle_through_sources_is_found(self):
        self.plant("src/base/a.h", header())
        self.plant("src/base/b.h", header("base/a.h"))
        self.plant("src/base/a.c", header("base/b.h"))
        self.assert_one("circles", "modules")

    def test_a_long_circle_is_found_once(self):
        for i in range(9):
            self.plant(f"src/base/m{i}.h", header(f"base/m{(i + 1) % 9}.h"))
        self.plant("src/base/tail.c", header("base/m3.h"))
        self.assert_one("circles", "m0", "m8")

    def test_two_folders_in_a_circle_are_found(self):
        self.plant("src/source/a/one.h", header())
        self.plant("src/source/b/one.h", header())
        self.plant("src/source/a/two.c", header("source/b/one.h"))
        self.plant("src/source/b/two.c", header("source/a/one.h"))
        self.assert_one("circles", "folders", "src/source/a src/source/b")

    def test_a_room_may_name_the_folders_inside_it(self):
        self.plant("src/source/source.h", header())
        self.plant("src/source/a/a.h", header("source/source.h"))
        self.plant("src/source/registry.c", header("source/a/a.h"))
        self.assertEqual(self.findings("circles"), [])


class Sizes(Planted):
    def setUp(self):
        super().setUp()
        # Enough of comments and tests for the shares to hold.
        self.plant("src/base/prose.h", "/*\n" + " * words\n" * 38 + " */\n")
        self.plant("tests/unit/test_x.c", "int y;\n" * 500)
        for i in range(12):
            self.plant(f"src/base/small{i}.c", function(12))

    def test_a_tidy_tree_has_no_findings(self):
        self.assertEqual(self.findings("sizes"), [])

    def test_a_function_may_have_70_lines_and_no_more(self):
        self.plant("src/base/a.c", function(71))  # its type has a line too
        self.assertEqual(self.findings("sizes"), [])
        self.plant("src/base/a.c", function(72))
        self.assert_one("sizes", "src/base/a.c:2", "ks_f() has 71 lines")

    def test_one_function_in_ten_may_be_over_50(self):
        self.plant("src/base/a.c", function(60))
        self.assertEqual(self.findings("sizes"), [])
        self.plant("src/base/b.c", function(60))
        self.plant("src/base/c.c", function(60))
        self.plant("src/base/prose.h", "/*\n" + " * words\n" * 78 + " */\n")
        self.assert_one("sizes", "one function in ten")

    def test_a_file_may_have_600_lines_and_no_more(self):
        self.plant("tests/unit/test_y.c", "int y;\n" * 600)
        self.assertEqual(self.findings("sizes"), [])
        self.plant("tests/unit/test_y.c", "int y;\n" * 601)
        self.assert_one("sizes", "601 lines, at most 600")

    def test_a_reason_at_its_top_buys_a_file_800(self):
        reason = "/* long file: one table, cut nowhere */\n"
        self.plant("tests/unit/test_y.c", reason + "int y;\n" * 799)
        self.assertEqual(self.findings("sizes"), [])
        self.plant("tests/unit/test_y.c", reason + "int y;\n" * 800)
        self.assert_one("sizes", "801 lines, at most 800")

    def test_a_reason_further_down_buys_nothing(self):
        self.plant("tests/unit/test_y.c", "int y;\n" * 700
                   + "/* long file: said too late */\n")
        self.assert_one("sizes", "701 lines, at most 600")

    def test_80_columns_are_counted_in_characters(self):
        self.plant("tests/unit/test_y.c", "/* " + "\u2016" * 74 + " */\n")
        self.assertEqual(self.findings("sizes"), [])
        self.plant("tests/unit/test_y.c", "/* " + "\u2016" * 75 + " */\n")
        self.assert_one("sizes", "test_y.c:1", "81 columns")

    def test_too_few_and_too_many_comments_are_found(self):
        self.plant("src/base/prose.h", "/* words */\n")
        self.assert_one("sizes", "lines are comments")
        self.plant("src/base/prose.h", "/*\n" + " * words\n" * 98 + " */\n")
        self.assert_one("sizes", "lines are comments")

    def test_a_comment_mark_in_a_string_is_no_comment(self):
        self.plant("src/base/prose.h", "\n".join(
            f'#define KS_S{i} "/*"' for i in range(60)) + "\n")
        self.assert_one("sizes", "0.0% of the lines are comments")

    def test_less_test_than_source_is_found(self):
        self.plant("tests/unit/test_x.c", "int y;\n" * 20)
        self.plant("tests/peers/p.mjs", "let x;\n" * 500)
        self.assert_one("sizes", "tests: 20 lines for")


@unittest.skipUnless(shutil.which("gcc"), "needs gcc")
class Headers(Planted):
    def test_a_header_that_brings_what_it_needs_is_fine(self):
        self.plant("src/base/a.h", "#include <stddef.h>\nsize_t ks_a(void);\n")
        self.assertEqual(self.findings("headers"), [])

    def test_a_header_that_leans_on_another_is_found(self):
        self.plant("src/base/a.h", "size_t ks_a(void);\n")
        self.assertIn("does not compile alone",
                      "\n".join(self.findings("headers")))

    def test_the_warnings_of_the_project_are_on(self):
        self.plant("src/base/a.h", "static inline int ks_a(long x)\n"
                   "{\n    return x;\n}\n")
        self.assertIn("-Werror=conversion",
                      "\n".join(self.findings("headers")))


if __name__ == "__main__":
    unittest.main()
