#!/usr/bin/python3
"""The CA's question is answered whatever the server says first; where it cannot be, the plan says so."""

from harness import edit_cases, main
from harness.edit_case import SITE, EditCase, port_taken
from harness.edit_cases import EditTree

# What stands between the CA and a location in the server of example.com.
_OBSTACLES = {
    "a return": "return 503;",
    "a redirect to elsewhere": "return 302 http://elsewhere.test$request_uri;",
    "a rewrite": "rewrite ^ /gone last; location = /gone { return 410; }",
    "a rewrite that breaks": "rewrite ^/(.*)$ /x/$1 break; root /srv;",
    "an if": "if ($request_method = GET) { return 402; }",
    "an if on the path": "if ($uri ~ /\\.) { return 403; }",
    "a password": 'auth_basic "x"; auth_basic_user_file /etc/nginx/htpasswd; root /srv;',
    "a ban": "deny all; root /srv;",
    "a ban of hidden files": "location ~ /\\. { deny all; } root /srv;",
    "a location of its own": "location ^~ /.well-known/acme-challenge/ { root /srv/none; }",
    "a plain location of its own": "location /.well-known/acme-challenge { return 404; }",
    "an exact location": f"location = {edit_cases.CHALLENGE} {{ return 404; }}",
    "locations inside a location":
        "location / { location ~ /\\. { return 403; } root /srv; }",
    "an upstream that is down": "location / { proxy_pass http://127.0.0.1:1; }",
    "a limit": "location / { limit_except POST { deny all; } root /srv; }",
    "Lua in the rewrite phase": "rewrite_by_lua_block { return ngx.exit(403) }",
    "Lua in the access phase": "access_by_lua_block { return ngx.exit(403) }",
    "Lua that answers": 'location / { content_by_lua_block { ngx.say("{") } }',
}

_SELF_SIGNED = "ssl_certificate /etc/ssl/x.pem; ssl_certificate_key /etc/ssl/x.key;"


def site(body, listen="listen 80; listen [::]:80;"):
    return f"server {{\n    {listen}\n    server_name example.com;\n    {body}\n}}\n"


class Challenge(EditCase):
    def start_with(self, texts, operation="install"):
        tree = EditTree.of_texts("challenge", texts, ["example.com"], operation)
        if module := tree.missing_module():
            self.skipTest(f"nginx's {module} is not installed")
        self.start(tree)

    def test_N4_a_default_server_that_swallows_the_name(self):
        self.start_with({
            "sites-enabled/0": "server { listen 80 default_server; server_name _; return 444; }\n",
            SITE: site(f"{_SELF_SIGNED} root /srv;", "listen 443 ssl;")})
        self.secure("--no-hardening")
        self.undo()

    def test_a_name_that_another_family_leads_to_the_default_server(self):
        self.start_with({
            "sites-enabled/0": "server { listen 80; listen [::]:80; server_name _; return 444; }\n",
            SITE: site("root /srv;", "listen 80;")})
        self.authority.resolve("example.com")  # over both
        self.secure("--no-hardening", strange_addresses=["::1"])
        self.undo()

    def test_lua_before_the_rewrite_phase(self):
        self.start_with({SITE: site(
            "server_rewrite_by_lua_block {\n        ngx.exit(403)\n    }")})
        self.refuse("sites-enabled/a:4: server_rewrite_by_lua_block answers before",
                    "everseal issue")
        dry = self.everseal.run("secure", "example.com", "--dry-run")
        self.assertIn("sites-enabled/a:4", dry.out)

    def test_lua_for_all_servers(self):
        main = ("events {}\nhttp {\n    server_rewrite_by_lua_block { ngx.exit(403) }\n"
                "    include /etc/nginx/sites-enabled/*;\n}\n")
        self.start_with({"nginx.conf": main, SITE: site("root /srv;")})
        self.refuse("nginx.conf:5: server_rewrite_by_lua_block")  # two load_module lines before

    def test_another_program_on_port_80(self):
        self.start_with({SITE: site(f"{_SELF_SIGNED} root /srv;", "listen 443 ssl;")})
        with port_taken(80) as other:
            self.refuse("sites-enabled/a:1: port 80", f"python3 (process {other.pid})",
                        "everseal issue -d example.com:DIRECTORY")
        self.secure("--no-hardening")
        self.undo()

    def test_port_80_belongs_to_a_stream(self):
        main = ("events {}\nstream {\n    server {\n        listen 80;\n"
                "        proxy_pass 127.0.0.1:1;\n    }\n}\n"
                "http {\n    include /etc/nginx/sites-enabled/*;\n}\n")
        self.start_with({"nginx.conf": main,
                         SITE: site(f"{_SELF_SIGNED} root /srv;", "listen 443 ssl;")})
        self.refuse("nginx.conf:5: port 80", looked_at=False)

    def test_port_80_speaks_tls(self):
        self.start_with({SITE: site(f"{_SELF_SIGNED} root /srv;", "listen 80 ssl; listen 443 ssl;")})
        self.refuse("sites-enabled/a:1: no server answers example.com in clear on port 80",
                    'add "server { listen 80; server_name example.com; }"')

    def test_no_listener_in_one_family(self):
        for listen, word in (("listen 80;", "IPv6"), ("listen [::]:80;", "IPv4")):
            with self.subTest(listen=listen):
                self.start_with({SITE: site("root /srv;", listen)})
                dry = self.run_everseal("secure", "example.com", "--dry-run")
                self.assertIn(f"sites-enabled/a:1: port 80 is not open over {word} for example.com",
                              dry.out)
        self.start_with({SITE: site("root /srv;", "listen [::]:80 ipv6only=off;")})
        dry = self.run_everseal("secure", "example.com", "--dry-run")
        self.assertNotIn("is not open over", dry.out)


def _test_of(body):
    def test(self):
        self.start_with({SITE: site(body)})
        self.secure("--no-hardening")
        self.undo()
    return test


for _name, _body in _OBSTACLES.items():
    setattr(Challenge, "test_N4_through_" + _name.replace(" ", "_"), _test_of(_body))


if __name__ == "__main__":
    main()
