"""Sign-up and log-in by django.contrib.auth's own forms."""

from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template import engines
from django.urls import path

PAGE = engines["django"].from_string('<form method="post">{% csrf_token %}{{ form }}<button>Go</button></form>')


def sign_up(request):
    form = UserCreationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("/accounts/login/")
    return HttpResponse(PAGE.render({"form": form}, request))


class LogIn(LoginView):
    def render_to_response(self, context, **_):
        return HttpResponse(PAGE.render({"form": context["form"]}, self.request))


urlpatterns = [
    path("", lambda request: HttpResponse(f"hello {request.user}")),
    path("accounts/signup/", sign_up),
    path("accounts/login/", LogIn.as_view()),
]
